"""The review page, served on this computer only, to listen to labelled clips and to confirm or correct their labels.

One review session is one rater and one labelled folder. `review_session` starts it; `queue` orders the clips;
`answer_log` keeps the answers; `views` says what the page may know; `routes` and `access` are the server.
"""
