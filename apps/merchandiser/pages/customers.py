"""Page of the customers: one customer, audiences, and the recommendations for new customers."""

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.customers.audience_view import show_audiences
from apps.merchandiser.customers.customer_picker import pick_customer
from apps.merchandiser.customers.customer_view import show_customer
from apps.merchandiser.customers.new_customers_view import show_new_customers
from apps.merchandiser.tabs import show_tabs

copy = get_live_copy()


def show_one_customer() -> None:
    """Show the search, and the selected customer."""
    user_id = pick_customer(copy, "customers")
    if user_id is not None:
        show_customer(copy, user_id)


show_tabs(
    {
        "One customer": show_one_customer,
        "Audiences": lambda: show_audiences(copy),
        "New customers": lambda: show_new_customers(copy),
    },
    key="section",
)
