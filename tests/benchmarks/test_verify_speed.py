"""The program that times verification: what it times is whole files, and wrong work has no figures."""

import json

import pytest
from benchmarks.batch import verify_speed

from jina_v3_batch.records_in import Form


@pytest.mark.parametrize("form", [Form("float", 8), Form("base64", 1024)])
def test_its_files_have_a_vector_of_the_form_for_each_record(form):
    sent, received = verify_speed.make_file(form, 5)
    asked, answered = ([json.loads(line) for line in data.splitlines()] for data in (sent, received))
    assert [one["id"] for one in asked] == [one["id"] for one in answered]
    assert {len(one["embedding"]) for one in answered} == {form.length(form.types)}


def test_it_prints_a_row_for_each_form(capsys):
    assert verify_speed.main(["--records", "20", "--rounds", "1"]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| 1024, float", "| 1024, base64", "| 256, float"]
    assert {row.count("|") for row in rows} == {head.count("|")}


def test_wrong_work_has_no_figures():
    with pytest.raises(ValueError, match="3 of 4 records were found"):
        verify_speed._time(lambda: 3, 4)
