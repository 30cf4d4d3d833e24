{{ config(materialized='view') }}

-- A return takes back the newest pieces that the customer has. The balance is the number of pieces after a line: a purchase adds a
-- layer of pieces on top, and a return removes layers from the top. A return without a purchase makes the balance negative.
with purchase_lines as (

    select
        user_id,
        product_id,
        action_type,
        quantity,
        sum(quantity) over lines_of_pair as balance,
        row_number() over lines_of_pair as line_number,
        _line,
        _load_id
    from {{ ref('int_user_product_actions') }}
    where action_type in ('purchase', 'return')
    window lines_of_pair as (
        partition by user_id, product_id
        order by action_at, case when action_type = 'return' then 1 else 0 end, _load_id, _line
        rows between unbounded preceding and current row
    )

),

-- The smallest balance since a line is the highest piece of its layer that no return in between has removed.
earlier_lines as (

    select
        returns._line,
        returns._load_id,
        returns.balance as return_balance,
        earlier._line as purchase_line,
        earlier._load_id as purchase_load_id,
        earlier.action_type,
        earlier.line_number,
        earlier.balance - earlier.quantity as previous_balance,
        min(earlier.balance) over (
            partition by returns._load_id, returns._line
            order by earlier.line_number desc
            rows between unbounded preceding and current row
        ) as smallest_balance
    from purchase_lines as returns
    inner join purchase_lines as earlier
        on returns.user_id = earlier.user_id
        and returns.product_id = earlier.product_id
        and returns.line_number > earlier.line_number
    where returns.action_type = 'return'

)

select
    purchase_line,
    purchase_load_id,
    line_number as purchase_number,
    smallest_balance - greatest(previous_balance, return_balance) as quantity,
    _line,
    _load_id
from earlier_lines
where action_type = 'purchase' and smallest_balance > greatest(previous_balance, return_balance)
