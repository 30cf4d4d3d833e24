"""The pages of the app; Streamlit runs their files, and `page_list` names them."""
