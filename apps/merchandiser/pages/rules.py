"""Page of the merchandising rules: their states, new rules with a preview, changes, and the build of the lists."""

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.rules.build_view import show_build
from apps.merchandiser.rules.change_table import show_changes
from apps.merchandiser.rules.new_rule_view import show_new_rule
from apps.merchandiser.rules.rule_editor import ask_editor, show_result
from apps.merchandiser.rules.rule_list_view import show_rules
from apps.merchandiser.tabs import show_tabs
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

copy = get_live_copy()
settings = Settings()
store = RuleStore(settings)
ask_editor(settings)
show_build(copy, settings)
show_result()
show_tabs(
    {
        "All rules": lambda: show_rules(copy, store, can_edit=settings.app_can_edit),
        "Add a rule": lambda: show_new_rule(copy, store, can_edit=settings.app_can_edit),
        "History": lambda: show_changes(store.read_history(), "Changes of all rules"),
    },
    key="rules_section",
)
