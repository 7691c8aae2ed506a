"""The worklist as people and programs meet it: REST, a page, and a stream that says when the order changed."""
