"""Tests of the dbt project that dbt itself cannot express."""
