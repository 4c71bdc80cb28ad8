"""The server of ``symgd play``: who may ask, and what is read."""

import http.client
import threading
from urllib.parse import urlencode

import pytest

from symgd.pages.serving import Play


@pytest.fixture(scope="module")
def play():
    server = Play("x**2 + y**4")
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.close()
    thread.join()


def asked(play, path=None, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", play.port)
    target = f"/{play.token}/" if path is None else path
    connection.putrequest(method, target, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def with_texts(play, **texts):
    return asked(play, f"/{play.token}/?{urlencode(texts)}")


def test_the_page_has_fields_and_is_kept_by_nobody(play):
    response, text = asked(play)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert '<textarea name="formula"' in text
    assert ">x**2 + y**4\n</textarea>" in text or ">x**2 + y**4</textarea>" in text


@pytest.mark.parametrize("path", ["/", "/wrong/", "//", "/%C3%A9/", "*"])
def test_who_does_not_know_the_token_gets_nothing(play, path):
    assert asked(play, path)[0].status == 404


def test_other_hosts_and_origins_are_refused(play):
    own = f"127.0.0.1:{play.port}"
    assert asked(play, Host="evil.example")[0].status == 403
    assert asked(play, Host="127.0.0.1")[0].status == 403
    assert asked(play, Origin="http://evil.example")[0].status == 403
    assert asked(play, Origin="null")[0].status == 403
    assert asked(play, Host=own, Origin=f"http://{own}")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_answered(play, method):
    assert asked(play, method=method)[0].status == 501


def test_nothing_but_a_formula_and_a_rule_is_read(play):
    assert with_texts(play, formula="x**2", file="/etc/passwd")[0].status == 400
    assert asked(play, f"/{play.token}/?formula=x&formula=y")[0].status == 400
    assert with_texts(play, formula="x*" * 10_000 + "x")[0].status == 413


def test_an_error_stands_under_its_field_with_a_caret(play):
    response, text = with_texts(play, formula="(1 - x)^2")
    assert response.status == 200
    formula, _ = text.split("a rule of your own")
    assert "    (1 - x)^2\n           ^\nwrite (1 - x)**2" in formula
    _, text = with_texts(play, formula="x**2", rule="x = x - q*g")
    _, rule = text.split("a rule of your own")
    assert "unknown name" in rule
    assert 'id="map"' in text


def test_a_rule_of_ones_own_is_shown_first(play):
    _, text = with_texts(play, formula="x**2", rule="x = x - h*g\nwith h=0.25")
    assert '"methods":[{"name":"yours"' in text


def test_texts_are_no_html(play):
    _, text = with_texts(play, formula="</textarea><script>alert(1)</script>")
    assert "<script>alert" not in text
