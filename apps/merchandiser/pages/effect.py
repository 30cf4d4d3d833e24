"""Page of the effect of the recommendations."""

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.effect_sections import show_effect

show_effect(get_live_copy())
