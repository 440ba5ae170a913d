"""One call from its handler's side: the context, its questions, its threads, its limits and its one outcome.

Nothing here knows by which transport a call came."""
