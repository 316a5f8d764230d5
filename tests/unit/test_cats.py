"""The pictures: the same everywhere, as asked for, and never half written."""

import hashlib
import os
import threading

import pytest
import torch

from labkit.experiment import Outcome
from labkit.labs.cats import distribution_shift
from labkit.labs.cats.figures import contact_sheet
from labkit.models.datasets import cats
from labkit.models.training import Run
from labkit.progress import Cancelled, watch


def same(a, b):
    return all(torch.equal(getattr(a, f), getattr(b, f)) for f in ("images", "labels", "truth", "coats"))


def test_the_pictures_are_these_bits_on_every_platform():
    """The golden digest is what holds the platforms together: each of them has to arrive at it on its own."""
    digest = hashlib.sha256()
    for size in (32, 48):
        pictures = cats.draw(96, size=size, coats=cats.COATS, seed=7, label_noise=0.1)
        for tensor in (pictures.images, pictures.labels, pictures.truth, pictures.coats):
            digest.update(tensor.numpy().astype(tensor.numpy().dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == "86568c98fe5877230c780483be9d55dc2af336bfe556e149b74b295cfb8f82e0"


def test_neither_threads_nor_the_number_of_pictures_change_a_picture():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = cats.draw(cats.BLOCK + 40, coats=cats.COATS)
        torch.set_num_threads(2)
        assert same(alone, cats.draw(cats.BLOCK + 40, coats=cats.COATS))
    finally:
        torch.set_num_threads(before)
    assert same(alone[:10], cats.draw(10, coats=cats.COATS))
    assert not torch.equal(alone[:10].images, cats.draw(10, coats=cats.COATS, seed=1).images)


@pytest.mark.parametrize("size", [32, 33, 100, 256])
def test_any_size(size):
    pictures = cats.draw(5, size=size, coats=cats.COATS)
    assert pictures.images.shape == (5, 3, size, size) and pictures.images.dtype == torch.uint8
    assert pictures.images.flatten(1).float().std(1).min() > 5


def test_balance_and_label_noise_are_what_was_asked_for():
    pictures = cats.draw(2000, balance=(2, 1, 1), label_noise=0.2)
    shares = torch.bincount(pictures.truth, minlength=3) / 2000
    assert torch.allclose(shares, torch.tensor([0.5, 0.25, 0.25]), atol=0.03)
    assert abs((pictures.labels != pictures.truth).float().mean() - 0.2) < 0.03
    assert torch.equal(pictures.coats >= 0, pictures.truth == 0)
    clean = cats.draw(2000, balance=(2, 1, 1))
    assert torch.equal(clean.labels, clean.truth) and torch.equal(clean.images, pictures.images)
    assert set(cats.draw(200, balance=(0, 1, 1)).truth.tolist()) == {1, 2}
    assert not (cats.draw(200, label_noise=1).labels == cats.draw(200).truth).any()


def test_cats_wear_the_coats_that_were_asked_for():
    worn = cats.draw(600, coats=("black", "calico"), balance=(1, 0, 0)).coats
    assert set(worn.tolist()) == {cats.COATS.index("black"), cats.COATS.index("calico")}
    assert same(cats.draw(20, coats="grey"), cats.draw(20, coats=("grey",)))


def test_one_colour_cats_have_one_colour_and_many_coloured_cats_have_several():
    """Light, shade and noise are the same whatever the coat, so between a black and a white cat they cancel."""

    def draw(coat):
        return cats.draw(60, size=64, coats=coat, balance=(1, 0, 0)).images.float()

    black, white = draw("black"), draw("white")
    fur = (white - black).amin(1) > 60

    def spread(coat):
        shade = (draw(coat) - black) / (white - black)
        return torch.stack([s[:, f].std(1).mean() for s, f in zip(shade, fur, strict=True)]).median()

    one, many = ([spread(coat) for coat in coats] for coats in (cats.ONE_COLOUR, cats.MANY_COLOURED))
    assert min(many) > 3 * max(one), (one, many)


def test_colour_alone_does_not_tell_a_cat():
    dark = cats.draw(600, coats="black", balance=(0, 1, 1)).images.float().mean(1).amin((1, 2))
    assert (dark < 60).float().mean() > 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n must be"),
        ({"n": 2.5}, "n must be"),
        ({"size": 31}, "size must be .* 32"),
        ({"size": 40.0}, "size must be"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**64}, "seed must be"),
        ({"coats": "pink"}, "no coat 'pink'.*tabby"),
        ({"coats": ()}, "coats is empty"),
        ({"balance": (1, 1)}, "balance needs 3"),
        ({"balance": (1, -1, 1)}, "balance needs"),
        ({"balance": (0, 0, 0)}, "balance needs"),
        ({"balance": (float("nan"), 1, 1)}, "balance needs"),
        ({"balance": "cat"}, "balance needs"),
        ({"label_noise": 1.1}, "label_noise is a share"),
        ({"label_noise": float("nan")}, "label_noise is a share"),
        ({"label_noise": "none"}, "label_noise is a share"),
    ],
)
def test_errors_say_what_is_allowed(wrong, message, tmp_path):
    arguments = {"n": 5, **wrong}
    with pytest.raises(ValueError, match=message):
        cats.draw(**arguments)
    with pytest.raises(ValueError, match=message):
        cats.load(**arguments, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cancelled_drawing_stops():
    cancelled = threading.Event()
    seen = []

    def show(fraction, _):
        seen.append(fraction)
        cancelled.set()

    with watch(show, cancelled), pytest.raises(Cancelled):
        cats.draw(5 * cats.BLOCK)
    assert len(seen) == 1


def test_what_there_was_no_time_to_draw_is_left_out_and_not_kept(tmp_path):
    few = cats.load(4 * cats.BLOCK, folder=tmp_path, seconds=1e-6)
    assert len(few) == cats.BLOCK and not list(tmp_path.iterdir())
    assert same(few[:20], cats.draw(20))


def test_black_cats_take_the_places_of_others_and_nothing_else_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    drawn = cats.draw(300)
    black = distribution_shift.in_black(drawn, seed=9)
    cat = drawn.truth == cats.CLASSES.index("cat")
    assert torch.equal(black.truth, drawn.truth) and torch.equal(black.images[~cat], drawn.images[~cat])
    assert set(black.coats[cat].tolist()) == {cats.COATS.index("black")}
    assert (drawn.coats[cat] != cats.COATS.index("black")).any()


def test_a_training_that_was_cut_short_says_nothing_of_its_network():
    outcome, whole, cut = Outcome(99.0, "%"), Run(planned=10, pictures=10), Run(planned=10, pictures=4)
    assert distribution_shift.after([whole, whole], outcome) is outcome
    assert "4 of 10 pictures" in distribution_shift.after([whole, cut], outcome).reason


def test_pictures_are_kept_and_read_again(tmp_path, monkeypatch, recwarn):
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    first = cats.load(40, label_noise=0.5)
    (file,) = (tmp_path / "pictures").iterdir()
    monkeypatch.setattr(
        cats,
        "draw",
        lambda n, *, size=32, coats=cats.ONE_COLOUR, seed=0, balance=(1, 1, 1), label_noise=0.0: pytest.fail(
            "drawn again"
        ),
    )
    assert same(first, cats.load(40, label_noise=0.5))
    monkeypatch.undo()
    assert same(first, cats.draw(40, label_noise=0.5))
    cats.load(40, label_noise=0.5, seed=3, folder=file.parent)
    assert len(list(file.parent.iterdir())) == 2 and not recwarn.list


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "foreign"])
def test_a_damaged_file_is_drawn_again(damage, tmp_path):
    first = cats.load(20, folder=tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    if damage == "foreign":
        cats.load(21, folder=tmp_path / "other")
        content = next((tmp_path / "other").iterdir()).read_bytes()
    bad = {"truncated": content[:-100], "garbage": os.urandom(500), "empty": b"", "foreign": content}[damage]
    file.unlink()
    file.write_bytes(bad)
    with pytest.warns(UserWarning, match="drawing them again") as caught:
        assert same(first, cats.load(20, folder=tmp_path))
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert same(first, cats.load(20, folder=tmp_path))


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="cannot be kept") as caught:
        assert same(cats.load(20, folder=tmp_path / "file"), cats.draw(20))
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_full_folder_keeps_nothing_half_written(step, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.warns(UserWarning, match="No space left"):
        assert same(cats.load(20, folder=tmp_path), cats.draw(20))
    assert not list(tmp_path.iterdir())


def test_a_contact_sheet_shows_every_picture_and_title():
    pictures = cats.draw(14)
    figure = contact_sheet(pictures, columns=5, titles=[f"picture {i}" for i in range(14)])
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.texts] == [f"picture {i}" for i in range(14)]
    assert (axes.images[0].get_array()[..., 3] == 255).sum() == 14 * 32 * 32
    assert figure.get_facecolor()[3] == 0
    for wrong in ({"columns": 0}, {"titles": ["one"]}):
        with pytest.raises(ValueError):
            contact_sheet(pictures, **wrong)
