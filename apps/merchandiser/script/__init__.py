"""The script that Streamlit runs for each session.

It has a folder of its own: Streamlit would run the scripts of a folder `pages` beside it directly, without the login.
"""
