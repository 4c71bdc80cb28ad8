"""Notebooks: the one in the documents runs, and an interrupt gives a result."""

import queue
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "symgd.ipynb"
LONG = """
import symgd
result = symgd.minimize(
    "x**2", [1.0], method="gd", step_size=1e-300, maxiter=10**15,
    callback=lambda state: print("running", flush=True), callback_every=10**6,
)
"""
WATCHED = """
import symgd
symgd.minimize("x**2 + y**2", [1, 1], method="gd", maxiter=300, progress=True)
"""
PATIENCE = 120  # seconds, for a kernel that doesn't answer


def test_the_notebook_of_the_documents_runs_and_shows_everything(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(NOTEBOOK, 4)
    NotebookClient(
        notebook, timeout=PATIENCE, resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert len(shown) == 9
    assert all("class='symgd'" in each for each in shown)
    assert (tmp_path / "descent.gif").stat().st_size > 10_000
    pictures = [o for c in notebook.cells for o in c.get("outputs", ()) if "data" in o]
    assert any("image/png" in output["data"] for output in pictures)


@pytest.fixture
def kernel():
    manager, client = start_new_kernel()
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def told(client, wanted):
    """Wait for a message that is wanted; return its text."""
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        content = message["content"]
        assert message["header"]["msg_type"] != "error", content["traceback"]
        if wanted(message):
            return content


def html_of(message):
    return message["content"].get("data", {}).get("text/html", "")


def says(text):
    return lambda m: m["msg_type"] == "stream" and text in m["content"]["text"]


def test_an_interrupt_of_a_cell_gives_a_result(kernel):
    manager, client = kernel
    client.execute(LONG)
    told(client, says("running"))
    manager.interrupt_kernel()
    client.execute("print('ended:', result.status.name, result.success)")
    told(client, says("ended: INTERRUPTED False"))
    with pytest.raises(queue.Empty):
        client.get_stdin_msg(timeout=0)


def test_progress_is_shown_under_the_cell(kernel):
    _, client = kernel
    client.execute(WATCHED)
    content = told(client, lambda m: "<progress value='300" in html_of(m))
    assert "300 of 300 iterations" in content["data"]["text/html"]
