"""Help: articles, search, community, feedback. Nothing is here yet."""
