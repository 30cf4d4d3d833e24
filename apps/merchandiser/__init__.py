"""The Streamlit app for merchandisers; `make app` starts it."""
