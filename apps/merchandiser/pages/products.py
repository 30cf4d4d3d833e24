"""Page of the products: one product, and what the lists show most and never."""

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.products.exposure_view import SECTION, show_exposure
from apps.merchandiser.products.product_picker import check_product_search, pick_product
from apps.merchandiser.products.product_view import show_product
from apps.merchandiser.tabs import show_tabs

copy = get_live_copy()
check_product_search(copy)


def show_one_product() -> None:
    """Show the search, and the selected product."""
    product = pick_product(copy, "products")
    if product is not None:
        show_product(copy, product)


show_tabs({"One product": show_one_product, SECTION: lambda: show_exposure(copy)}, key="products_section")
