"""Flask behind apig-wsgi, a Lambda adapter for any WSGI application."""

from apig_wsgi import make_lambda_handler
from flask import Flask, Response, redirect, request

app = Flask(__name__)


@app.get("/")
def root():
    return Response("Hello World!", mimetype="text/plain")


@app.get("/users/<user>")
def user(user):
    return {"id": user, "q": request.args.to_dict(), "agent": request.headers.get("x-agent")}


@app.post("/users")
def create():
    return {"id": 7, **request.get_json()}, 201, {"location": "/users/7"}


@app.post("/bytes")
def reverse():
    return Response(request.get_data()[::-1], mimetype="application/octet-stream")


@app.get("/login")
def login():
    r = redirect("/")
    r.set_cookie("a", "1")
    r.set_cookie("b", "2", httponly=True)
    return r


@app.get("/broken")
def broken():
    raise RuntimeError("on purpose")


handler = make_lambda_handler(app, binary_support=True)
