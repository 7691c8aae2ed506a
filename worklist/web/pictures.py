"""`/api/worklist/{item}/findings/{n}/picture`: the key picture of a finding that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Query, Response

from voorrang.archive import PictureFolder
from voorrang.database import Database
from worklist import item_store
from worklist.pictures import numbered_picture, version_of

PNG = "image/png"
# Kept by the reader's own browser, and asked for again each time it is shown: one whose model was suspended, or whose
# series was deleted, is gone at once.
CACHING = "private, no-cache"


def picture_routes(database: Database, folder: PictureFolder) -> APIRouter:
    """
    Return the route.

    Parameters
    ----------
    database
        Has the items; only what is shown of them has a picture here, so that a model without influence shows none.
    folder
        Has the pictures.
    """
    router = APIRouter()

    @router.get("/api/worklist/{item_key}/findings/{number}/picture", response_class=Response)
    def picture(
        item_key: Annotated[str, Path(pattern="^[^\\x00]{1,64}$")],  # PostgreSQL knows no NUL
        number: int,
        v: Annotated[str | None, Query()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Return the picture: 404 where there is none, or where `v` names one that no longer is this finding's."""
        with database.read() as connection:
            locator = numbered_picture(item_store.view_of(connection, item_key), number)
        if locator is None or (v is not None and v != version_of(locator)):
            raise HTTPException(404, "no such picture")
        try:
            content = folder.path(locator).read_bytes()
        except FileNotFoundError as error:
            raise HTTPException(404, "the picture was deleted with its series") from error
        tag = f'"{version_of(locator)}"'
        if if_none_match is not None and tag in [each.strip().removeprefix("W/") for each in if_none_match.split(",")]:
            return Response(status_code=304, headers={"ETag": tag}, media_type=PNG)
        return Response(content, media_type=PNG, headers={"ETag": tag})

    return router


def picture_caching(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the header that lets a picture be kept where everything else is not."""
    is_picture = headers.get("content-type") == PNG and "etag" in headers
    return {"Cache-Control": CACHING} if is_picture else {}
