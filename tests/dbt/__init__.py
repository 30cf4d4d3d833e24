"""Tests of the dbt project that dbt's own tests cannot express."""
