"""Page of the quality of the data, the lists and the model."""

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.quality.quality_sections import show_quality

show_quality(get_live_copy())
