"""FastAPI behind Mangum, its Lambda adapter."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from mangum import Mangum

app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
def root():
    return "Hello World!"


@app.get("/users/{user}")
def user(user: str, request: Request):
    return {"id": user, "q": dict(request.query_params), "agent": request.headers.get("x-agent")}


@app.post("/users", status_code=201)
def create(body: dict, response: Response):
    response.headers["location"] = "/users/7"
    return {"id": 7, **body}


@app.post("/bytes")
async def reverse(request: Request):
    return Response((await request.body())[::-1], media_type="application/octet-stream")


@app.get("/login")
def login():
    r = RedirectResponse("/", status_code=302)
    r.set_cookie("a", "1")
    r.set_cookie("b", "2", httponly=True)
    return r


@app.get("/broken")
def broken():
    raise RuntimeError("on purpose")


handler = Mangum(app)
