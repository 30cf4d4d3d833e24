"""The merchandisers' Streamlit app; `make app` starts it."""
