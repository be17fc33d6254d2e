import io

import numpy as np
from demo import report
from demo.corpus import ChunkQuery, Document, Text
from demo.endpoint import Reply
from demo.ranking import Ranking, overlap, rank
from rich.cells import cell_len
from rich.console import Console

PASSAGES = (
    Text("tides", "en", "The sea rises [and] falls. " * 20),
    Text("tides", "ja", "海の潮の満ち引き。" * 20),
    Text("bread", "de", "Brot braucht Zeit."),
    Text("bread", "hi", "आटे में पानी और नमक।"),
)
QUERIES = (Text("tides", "en", "Why does the sea [rise]?"), Text("bread", "de", "Was braucht Brot?"))


def shown(*arguments: object, show: object) -> str:
    console = Console(file=io.StringIO(), width=80)
    show(console, *arguments)  # type: ignore[operator]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    return text


def test_the_nearest_comes_first() -> None:
    passages = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    (ranking,) = rank(np.array([[0, 1]], np.float32), passages)
    assert ranking.order == (2, 1, 0, 3)
    np.testing.assert_allclose(ranking.scores, (1, 0.8, 0, 0), atol=1e-6)
    assert ranking.top(2) == (2, 1)
    assert [ranking.rank_of(passage) for passage in range(4)] == [3, 2, 1, 4]


def test_equal_cosines_keep_the_order_of_the_passages() -> None:
    (ranking,) = rank(np.array([[1, 0]], np.float32), np.array([[0, 1], [1, 0], [1, 0]], np.float32))
    assert ranking.order == (1, 2, 0)


def test_overlap_counts_what_both_have_in_front() -> None:
    one, other = Ranking((0, 1, 2, 3), ()), Ranking((1, 3, 0, 2), ())
    assert [overlap(one, other, count) for count in (1, 2, 3, 4)] == [0, 1, 2, 4]


def test_the_table_of_a_query_marks_its_topic() -> None:
    rankings = [Ranking((1, 3, 0, 2), (0.9, 0.8, 0.7, 0.6)), Ranking((2, 0, 1, 3), (0.5, 0.4, 0.3, 0.2))]
    lines = shown(QUERIES, PASSAGES, rankings, show=report.show_queries).splitlines()
    assert lines[0] == "English: Why does the sea [rise]?"
    assert [line.split()[:4] for line in lines[1:4]] == [
        ["1", "0.9000", "*", "Japanese"],
        ["2", "0.8000", "Hindi", "आटे"],
        ["3", "0.7000", "*", "English"],
    ]
    assert "The sea rises [and] falls." in lines[3]


def test_the_dimensions_stand_side_by_side_with_their_agreement() -> None:
    wide = [Ranking((0, 1, 2, 3), ()), Ranking((2, 3, 0, 1), ())]
    cut = [Ranking((3, 1, 0, 2), ()), Ranking((2, 3, 0, 1), ())]
    text = shown(QUERIES, PASSAGES, {1024: wide, 32: cut}, show=report.show_dimensions)
    rows = [line.split() for line in text.splitlines()]
    assert ["English", "*", "tides", "(en)", "bread", "(hi)", "2/3", "at", "32"] in rows
    assert ["German", "*", "bread", "(de)", "*", "bread", "(de)", "3/3", "at", "32"] in rows
    assert ["1024", "4096", "100%", "2", "of", "2"] in rows
    assert ["32", "128", "83%", "1", "of", "2"] in rows


def test_late_chunking_says_where_the_answer_is() -> None:
    document = Document("title", "en", ("one", "two", "three", "four"), (ChunkQuery("where?", 2),))
    text = shown(document, [Ranking((0, 1, 3, 2), ())], [Ranking((2, 0, 1, 3), ())], show=report.show_late_chunking)
    assert "chunk by chunk: the answer is at 4" in text
    assert "late chunking: the answer is at 1" in text
    assert "* three" in text


def test_batch_and_endpoint_stand_side_by_side_with_their_largest_difference() -> None:
    endpoint = [Ranking((0, 1, 2, 3), (0.9, 0.8, 0.7, 0.6)), Ranking((2, 3, 0, 1), (0.5, 0.4, 0.3, 0.2))]
    batch = [Ranking((0, 1, 2, 3), (0.9, 0.8, 0.7, 0.6)), Ranking((3, 2, 0, 1), (0.5, 0.49, 0.3, 0.2))]
    text = shown(QUERIES, PASSAGES, endpoint, batch, show=report.show_batch)
    rows = [line.split() for line in text.splitlines()]
    assert ["English", "*", "tides", "(en)", "0.9000", "*", "tides", "(en)", "0.9000"] in rows
    assert ["German", "*", "bread", "(de)", "0.5000", "*", "bread", "(hi)", "0.5000"] in rows
    assert "1 of 2 queries find the same passage first; of 8 cosines the largest difference is 0.1" in " ".join(
        text.split()
    )


def test_the_speed_is_tokens_over_seconds() -> None:
    replies = [
        Reply("first", np.zeros((2, 4), np.float32), tokens=1000, seconds=0.5),
        Reply("second", np.zeros((1, 4), np.float32), tokens=500, seconds=0.25),
    ]
    rows = [line.split() for line in shown(replies, show=report.show_throughput).splitlines()]
    assert ["first", "2", "1,000", "0.50", "2,000"] in rows
    assert ["all", "3", "1,500", "0.75", "2,000"] in rows
    assert ["2,000", "tokens", "a", "second", "over", "all", "requests"] in rows
