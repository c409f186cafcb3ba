"""Files as a source: every row is a post or a dead letter, and the same file gives the same posts."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.records import Post, Rejected, post_to_json, to_ms
from pipeline.settings import LimitSettings
from producers.files import FileSource, Layout

NOW = to_ms("2026-11-20T12:00:00Z")
AT = to_ms("2026-11-01T00:00:00Z")
STAMPED = Layout(platform="shop", created_at=AT)


def source(path: Path, layout: Layout = STAMPED, limits: LimitSettings | None = None, **more: Any) -> FileSource:
    return FileSource(path, layout, now=lambda: NOW, limits=limits or LimitSettings(), **more)


def written(folder: Path, content: str | bytes, name: str = "reviews.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, layout: Layout = STAMPED, limits: LimitSettings | None = None) -> tuple[list[Post], list[Rejected]]:
    items = list(source(path, layout, limits).read())
    return [item for item in items if isinstance(item, Post)], [item for item in items if isinstance(item, Rejected)]


def texts(path: Path, layout: Layout = STAMPED) -> list[str]:
    posts, bad = read(path, layout)
    assert [] == bad
    return [post.text for post in posts]


def codes(bad: list[Rejected]) -> list[tuple[str, str]]:
    return [(item.where, item.reason.split(":")[0]) for item in bad]


# ---- rows ----


def test_columns_become_fields(tmp_path: Path) -> None:
    """Mapped columns, columns of a field's own name, and the options' values for what no column says."""
    path = written(tmp_path, "Review Text,Stars,created_at,author,reach\nToo small,2,2026-11-01 09:30,anna,17\n")
    layout = Layout(platform="shop", columns={"text": "Review Text", "rating": "Stars"}, topics=("dresses",), lang="en")
    ((post,), _) = read(path, layout)
    expected = Post(
        "shop", post.post_id, to_ms("2026-11-01T09:30:00Z"), "Too small", kind="review", lang="en", author="anna", rating=0.25, reach=17,
        topics=("dresses",),
    )  # fmt: skip
    assert expected == post


def test_quoted_line_ends_other_delimiters_and_marks(tmp_path: Path) -> None:
    """Cells over several lines, doubled quotes, quotes within a cell, ; and tab, CRLF, a byte order mark, UTF-16, gzip: all the same."""
    content = 'text,n\n"one\ntwo ""three""",1\n5" heels,2\n'
    expected = ['one\ntwo "three"', '5" heels']
    assert expected == texts(written(tmp_path, content))
    assert expected == texts(written(tmp_path, content.replace(",", ";")))
    assert expected == texts(written(tmp_path, content.replace(",", "\t"), "reviews.tsv"))
    assert expected == texts(written(tmp_path, "\ufeff" + content))
    assert expected == texts(written(tmp_path, content.encode("utf-16")))
    assert expected == texts(written(tmp_path, gzip.compress(content.encode()), "reviews.csv.gz"))
    assert ["one\r\ntwo", "x"] == texts(written(tmp_path, 'text,n\r\n"one\r\ntwo",1\r\n\r\nx,2\r\n'))


def test_a_dead_letter_names_its_line_and_keeps_its_bytes(tmp_path: Path) -> None:
    """The line on which the record begins, also behind records of several lines and blank lines."""
    path = written(tmp_path, 'text,n\n"a\nb",1\n\n,2\ngood,3\nx,4,5\ny\n')
    posts, bad = read(path)
    assert ["a\nb", "good"] == [post.text for post in posts]
    assert [("reviews.csv:5", "missing_text"), ("reviews.csv:7", "bad_row"), ("reviews.csv:8", "bad_row")] == codes(bad)
    assert [b",2\n", b"x,4,5\n", b"y\n"] == [item.raw for item in bad]
    assert {NOW} == {item.at for item in bad}


def test_an_open_quote_costs_its_line_only(tmp_path: Path) -> None:
    """A quote that is never closed: that row is a dead letter, all rows behind it are read."""
    posts, bad = read(written(tmp_path, "text,n\ngood,1\n" + '"open,2\n' + "".join(f"row {i},{i}\n" for i in range(3_000))))
    assert ["good", *(f"row {i}" for i in range(3_000))] == [post.text for post in posts]
    assert [("reviews.csv:3", "bad_row")] == codes(bad)


@pytest.mark.parametrize("name", ["big.csv", "big.jsonl"])
def test_a_line_of_50_mb_is_refused_in_bounded_memory(tmp_path: Path, name: str) -> None:
    """The rows around it are read, its beginning is kept, and reading needs no 50 MB."""
    head, row = ("text\n", "good {}\n") if name.endswith("csv") else ("", '{{"text":"good {}"}}\n')
    path = tmp_path / name
    with path.open("w", encoding="utf-8") as file:
        file.write(head + row.format(1))
        for _ in range(50):
            file.write("x" * 1_000_000)
        file.write("\n" + row.format(2))
    tracemalloc.start()
    posts, bad = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ["good 1", "good 2"] == [post.text for post in posts]
    assert [(f"{name}:{2 + bool(head)}", "too_large")] == codes(bad)
    assert 1_000_000 == len(bad[0].raw)
    assert peak < 25_000_000


def test_json_lines_are_records(tmp_path: Path) -> None:
    """A line is a post's JSON; a mapped column overrides, bad lines are dead letters, nested and native fields are kept."""
    native = Post("x", "7", AT, "native", rating=0.5, lang="en", dated=True, topics=("tea",))
    lines = [
        orjson.dumps(post_to_json(native)),
        b'{"post_id":2,"body":"mapped","stars":5,"created_at":1793491200}',
        b"{broken",
        b'{"post_id":4,"text":5,"created_at":1793491200}',
        b"",
    ]
    path = written(tmp_path, b"\n".join(lines) + b"\n", "posts.jsonl")
    posts, bad = read(path, Layout())
    assert [native] == posts
    assert [("posts.jsonl:2", "missing_text"), ("posts.jsonl:3", "bad_json"), ("posts.jsonl:4", "bad_type")] == codes(bad)
    posts, bad = read(path, Layout(columns={"text": "body", "rating": "stars"}))
    assert [("mapped", 1.0, "review")] == [(post.text, post.rating, post.kind) for post in posts]
    assert 3 == len(bad)


# ---- identity ----


def test_identity_without_a_column_is_the_cells_and_a_number(tmp_path: Path) -> None:
    """Equal rows differ by #1, #2; the rest of the file, its path and the way it is quoted make no difference."""
    path = written(tmp_path, "text,n\nsame,1\nother,1\nsame,1\nsame,2\n")
    ids = [post.post_id for post in read(path)[0]]
    assert ["1", "1", "2", "1"] == [i.split("#")[1] for i in ids]
    assert ids[0].split("#")[0] == ids[2].split("#")[0]
    assert 4 == len(set(ids))
    quoted = written(tmp_path, 'text,n\nfirst,0\n"same","1"\n', "elsewhere.csv")
    assert ids[0] == read(quoted)[0][1].post_id
    assert ids == [post.post_id for post in read(path)[0]]


def test_an_id_that_is_used_twice(tmp_path: Path) -> None:
    """A row that repeats another is a repetition; one with the same id and other content is a dead letter, not lost in silence."""
    layout = Layout(created_at=AT, columns={"post_id": "id"})
    posts, bad = read(written(tmp_path, "id,text\n1,a\n2,b\n1,a\n1,other\n,c\n"), layout)
    assert ["1", "2", "1"] == [post.post_id for post in posts]
    assert [("reviews.csv:5", "duplicate_id"), ("reviews.csv:6", "missing_id")] == codes(bad)


def test_the_mark_tells_how_far_a_file_is_the_same(tmp_path: Path) -> None:
    """After n rows the mark depends on those rows and nothing else."""

    def mark(content: str, rows: int) -> str:
        opened = source(written(tmp_path, content))
        items = opened.read()
        for _ in range(rows):
            next(items)
        return opened.mark

    assert mark("text\na\nb\nc\n", 2) == mark("text\na\nb\nother\nmore\n", 2)
    assert mark("text\na\nb\nc\n", 2) != mark("text\na\nother\nc\n", 2)


# ---- times and ratings ----


def test_a_constant_time_makes_posts_undated(tmp_path: Path) -> None:
    """One time for all rows, even a future one, stands in: the posts stay out of bins. A column for it and one time exclude each other."""
    path = written(tmp_path, "text,created_at\na,2026-11-01\n")
    ((post,), _) = read(path, Layout(created_at=NOW + 10**9))
    assert (NOW + 10**9, False) == (post.created_at, post.dated)
    ((post,), _) = read(path, Layout())
    assert (AT, True) == (post.created_at, post.dated)
    with pytest.raises(InputError, match="exclude each other"):
        source(path, Layout(created_at=AT, columns={"created_at": "created_at"}))


def test_impossible_and_unreadable_times_are_dead_letters(tmp_path: Path) -> None:
    """1970, tomorrow, words and nothing, in a column that can be read otherwise."""
    rows = ("2026-11-01T09:30:00Z", "1970-01-01", "2026-11-21T12:00:00Z", "11/01/2026", "", "1793491200", "1793491200000")
    posts, bad = read(written(tmp_path, "text,created_at\n" + "".join(f"row {i},{at}\n" for i, at in enumerate(rows))), Layout())
    assert ["row 0", "row 5", "row 6"] == [post.text for post in posts]
    assert {AT} == {post.created_at for post in posts[1:]}
    assert ["bad_time", "bad_time", "bad_time", "missing_time"] == [code for _, code in codes(bad)]


def test_a_time_format_that_never_fits_is_said_at_once(tmp_path: Path) -> None:
    """If none of the first times can be read, nothing is read, and the message shows one and what could be read."""
    path = written(tmp_path, "text,When\na,11/01/2026\nb,11/02/2026\n")
    with pytest.raises(InputError, match=r"'11/01/2026' in column 'When' is not a time; .*RFC 3339.*Unix seconds"):
        read(path, Layout(columns={"created_at": "When"}))


@pytest.mark.parametrize(
    ("ratings", "best", "expected"),
    [
        (("1", "3", "5", ""), 5, [0.0, 0.5, 1.0, None]),
        (("1", "10"), 10, [0.0, 1.0]),
        (("0", "0.25", "1"), 5, [0.0, 0.25, 1.0]),
        (("1", "1"), 5, [0.0, 0.0]),
        (("1", "0.5"), 1, [1.0, 0.5]),
    ],
)
def test_scales_of_ratings(tmp_path: Path, ratings: tuple[str, ...], best: float, expected: list[float | None]) -> None:
    """Stars become 0 to 1; numbers from 0 to 1 with one below 1 are kept; only ones are stars."""
    path = written(tmp_path, "text,rating\n" + "".join(f"row {i},{r}\n" for i, r in enumerate(ratings)))
    posts, _ = read(path, Layout(created_at=AT, rating_max=best))
    assert expected == [post.rating for post in posts]


def test_ratings_off_the_scale_are_dead_letters(tmp_path: Path) -> None:
    """0, 6 and words are no stars of 1 to 5, and NaN is no number."""
    _, bad = read(written(tmp_path, "text,rating\na,5\nb,6\nc,0\nd,good\ne,nan\n"))
    assert ["bad_value"] * 4 == [code for _, code in codes(bad)]


# ---- files that can't be read ----


@pytest.mark.parametrize(
    ("content", "layout", "message"),
    [
        ("", STAMPED, "is empty"),
        ("  \n", STAMPED, "is empty"),
        (
            "a,Review Text\n1,x\n",
            Layout(created_at=AT, columns={"text": "Reveiw Text"}),
            "unknown column 'Reveiw Text'; did you mean 'Review Text'",
        ),
        ("a,b\n1,x\n", STAMPED, "no column for text; name it with --map text=COLUMN; there is: 'a', 'b'"),
        ("text\nx\n", Layout(), "no column for created_at; name it with --map created_at=COLUMN, or .* --created-at"),
        ("text,é\nx,1\n".encode("latin-1"), STAMPED, "not utf-8: byte 5 .*--encoding"),
        ("text\nété\nhôtel\nx\n".encode("latin-1"), STAMPED, "not utf-8: byte 5 .*--encoding cp1252"),
        ("text\nx\n", Layout(created_at=AT, encoding="utf-7000"), "unknown encoding 'utf-7000'"),
        ("x" * 2_000_000, STAMPED, "header can't be read"),
    ],
)
def test_a_file_that_can_not_be_read_says_what_to_do(tmp_path: Path, content: str | bytes, layout: Layout, message: str) -> None:
    """Empty, wrong column (with the nearest), no text, no time, wrong encoding (with the byte): an error before the first row."""
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, content), layout)


def test_more_files_that_can_not_be_read(tmp_path: Path) -> None:
    """A missing file, a JSON array, an unknown field in the map, a damaged archive."""
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="one JSON array; write one object per line"):
        read(written(tmp_path, '[{"text":"a"}]', "posts.json"))
    with pytest.raises(InputError, match="unknown field of a post 'txt'; did you mean 'text'"):
        source(tmp_path / "x.csv", Layout(columns={"txt": "a"}))
    with pytest.raises(InputError, match="can't be read"):
        read(written(tmp_path, b"no archive at all", "reviews.csv.gz"))
    packed = gzip.compress(b"text\n" + b"".join(b"%d\n" % (i * i) for i in range(50_000)))
    with pytest.raises(InputError, match="damaged after line"):
        read(written(tmp_path, packed[:-500], "reviews.csv.gz"))


def test_a_header_alone_is_no_row(tmp_path: Path) -> None:
    """Nothing to read is not an error."""
    assert ([], []) == read(written(tmp_path, "text,created_at\n"), Layout())


def test_a_single_row_in_another_encoding_is_a_dead_letter(tmp_path: Path) -> None:
    """One bad row of many: the others are read, and its bytes are kept as they are."""
    rows = [f"row {i}".encode() for i in range(20)]
    posts, bad = read(written(tmp_path, b"text\n" + b"\n".join([*rows, "caf\xe9".encode("latin-1")])))
    assert 20 == len(posts)
    assert [("reviews.csv:22", "bad_encoding")] == codes(bad)
    assert b"caf\xe9" == bad[0].raw


def test_another_encoding_can_be_named(tmp_path: Path) -> None:
    """With --encoding the same bytes are letters."""
    path = written(tmp_path, "text\nétés à l'hôtel, 5 €\n".encode("cp1252"))
    with pytest.raises(InputError, match="--encoding"):
        read(written(tmp_path, "texté\nx\n".encode("cp1252"), "other.csv"))
    assert ["étés à l'hôtel"] == [
        text.split(",")[0]
        for text in texts(written(tmp_path, "text;n\nétés à l'hôtel;5 €\n".encode("cp1252")), Layout(created_at=AT, encoding="cp1252"))
    ]
    assert path.exists()


def test_nul_and_half_characters_are_dead_letters(tmp_path: Path) -> None:
    """What can't be stored is refused with its reason, in CSV and in JSON."""
    _, bad = read(written(tmp_path, b"text,n\na\x00b,1\n"))
    assert ["bad_text"] == [code for _, code in codes(bad)]
    _, bad = read(written(tmp_path, b'{"text":"a\\u0000b"}\n{"text":"a\\ud83d"}\n', "posts.jsonl"))
    assert ["bad_text", "bad_json"] == [code for _, code in codes(bad)]


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    """The positions rise and end at the file's size."""
    path = written(tmp_path, "text\n" + "".join(f"row {i}\n" for i in range(5_000)))
    told: list[int] = []
    assert 5_000 == sum(1 for _ in source(path, progress=told.append).read())
    assert sorted(told) == told
    assert path.stat().st_size == told[-1]


@given(st.lists(st.text(alphabet='ab,;"\n\r é', min_size=1, max_size=12).filter(lambda text: not text.isspace()), min_size=1, max_size=8))
def test_what_csv_writes_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    """Whatever stands in the cells: the texts that the csv module wrote come back, in order."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("text", "n"))
    writer.writerows((cell, i) for i, cell in enumerate(cells))
    path = tmp_path_factory.mktemp("csv") / "cells.csv"
    assert cells == texts(written(path.parent, out.getvalue(), "cells.csv"))
