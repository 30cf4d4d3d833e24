{#- What a bin adds to the population stability index, the sum of (p - q) * ln(p / q) over all bins, given the shares of the
    present and of the reference in it. A share below the floor counts as the floor: of an empty bin there is no logarithm. -#}
{% macro psi_contribution(current_share, reference_share) -%}
    {%- set current = 'greatest(' ~ current_share ~ ', ' ~ var('drift_min_share') ~ ')' -%}
    {%- set reference = 'greatest(' ~ reference_share ~ ', ' ~ var('drift_min_share') ~ ')' -%}
    ({{ current }} - {{ reference }}) * ln({{ current }} / {{ reference }})
{%- endmacro %}

{#- The population stability index that two samples of the same population exceed one time in a thousand. It is distributed
    as (1 / one sample's draws + 1 / the other's) times a chi-squared with a degree of freedom less than there are bins
    (Yurdakul and Naranjo, Statistical properties of the population stability index, 2020), of which this is Wilson's and
    Hilferty's approximation. Of rows that are drawn together and alike, design_effect are one draw (Kish, Survey Sampling,
    1965: the sum of the squares of the draws' rows over the sum of their rows). -#}
{% macro psi_critical_value(bin_count, row_count, other_row_count, design_effect) -%}
    {%- set freedom = 'greatest(' ~ bin_count ~ ' - 1, 1.0)' -%}
    {{ freedom }} * power(1 - 2 / (9 * {{ freedom }}) + 3.0902 * sqrt(2 / (9 * {{ freedom }})), 3)
        * {{ design_effect }} * (1.0 / {{ row_count }} + 1.0 / {{ other_row_count }})
{%- endmacro %}

{#- A share in words: 12.5 %. -#}
{% macro format_percent(share) -%}
    concat(cast(100 * {{ share }} as decimal(5, 1)), ' %')
{%- endmacro %}
