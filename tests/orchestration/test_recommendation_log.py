"""A run logs the lists of its publication and loads the log, so that the next run has nothing new."""

import json

import duckdb

from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.run_state import RunState, complete_run
from tests.table_changes import execute_statements, read_rows
from warehouse.loading.loader import load
from warehouse.publishing.live_copy import read_pointer
from warehouse.publishing.list_log import MARKER_FILE
from warehouse.settings import Settings
