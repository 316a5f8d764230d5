"""Lab 3.5: clips that are what they say, files that say what ails them, and streams that fit what is left of a core."""

from __future__ import annotations

import base64
import io
import re
import wave

import fakes
import numpy as np
import pytest
import torch

from labkit.checks import NOT_HERE, RIGHT, WRONG
from labkit.data import data_folder
from labkit.experiment import Comparison, Outcome, Row, Unavailable, compare
from labkit.labs.one_clear_stream import checks, figures, listening, tables
from labkit.labs.one_clear_stream import experiments as lab
from labkit.labs.one_clear_stream.players import Players
from labkit.measure.instances import BATCHES, OWN, SHARED
from labkit.measure.probes.hearing import recogniser
from labkit.models import sound
from labkit.models.datasets import digits
from labkit.models.training import Run

HERE = fakes.machine()
NOISE = {ratio: Outcome(float(np.interp(ratio, (-10, 10), (10, 98))), "%") for ratio in listening.NOISES}


@pytest.fixture(scope="module")
def unheard():
    return digits.unheard()


@pytest.fixture(scope="module")
def heard():
    return digits.heard(1)


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return listening.Recogniser(recogniser(), Run(planned=1, pictures=1, seconds=1.0))


# Sound


def test_a_byte_a_sample_keeps_sound():
    wave_form = np.sin(np.linspace(0, 40, 2000)) * np.geomspace(1e-2, 1, 2000)
    kept = sound.expanded(sound.companded(wave_form))
    assert kept.dtype == np.float32 and np.abs(kept - wave_form).max() < 0.03
    assert np.abs(kept - wave_form).mean() < 0.03 * np.abs(wave_form).mean()


def test_a_picture_does_not_depend_on_how_loud_a_clip_is_nor_on_its_company(unheard):
    clips = unheard.sound[:20]
    seen = sound.pictures(clips)
    assert seen.shape == (20, 3, sound.BANDS, sound.FRAMES) and seen.dtype == np.uint8
    louder = np.abs(sound.pictures(0.5 * clips).astype(int) - seen)
    assert np.quantile(louder, 0.99) <= 2
    assert np.array_equal(sound.pictures(clips[7:8])[0], seen[7])


@pytest.mark.parametrize(("hertz", "other"), [(300, 1000), (1000, 3000)])
def test_a_higher_tone_lies_in_a_higher_band(hertz, other):
    time = np.arange(sound.CLIP, dtype=np.float32) / sound.RATE
    low, high = (sound.pictures(np.sin(2 * np.pi * f * time)[None])[0, 0].sum(1).argmax() for f in (hertz, other))
    assert low < high


def test_silence_and_clips_of_another_length():
    assert np.isfinite(sound.pictures(np.zeros((1, sound.CLIP), np.float32))).all()
    with pytest.raises(ValueError, match=r"5,216 samples"):
        sound.pictures(np.zeros((1, 8000), np.float32))


# The digits


def test_the_voices_of_the_test_are_not_heard_in_training(unheard, heard):
    assert not set(unheard.voices) & set(heard.voices) and len(set(unheard.voices)) >= 8
    assert set(np.bincount(unheard.digits)) == {len(unheard) // 10} and set(np.bincount(heard.digits)) == {36}
    assert np.isfinite(heard.sound).all() and heard.sound.shape == (360, sound.CLIP)
    assert (data_folder() / "speech" / "digits.npz").stat().st_size < 2e6


def test_a_seed_names_what_training_hears(heard):
    again, another = digits.heard(1), digits.heard(1, seed=1)
    assert np.array_equal(again.sound, heard.sound) and not np.array_equal(another.sound, heard.sound)
    with pytest.raises(ValueError, match="copies"):
        digits.heard(0)


@pytest.mark.parametrize("ratio", [-10, 0, 20])
def test_what_disturbs_is_as_much_softer_as_is_asked(unheard, ratio):
    clips = unheard.sound[:30]
    for disturbed in (digits.noisy(clips, ratio, np.random.default_rng(0)), digits.mixed(clips, clips[::-1], ratio)):
        added = (disturbed - clips).astype(float)
        found = 10 * np.log10((clips.astype(float)**2).mean(1) / (added**2).mean(1))
        assert found == pytest.approx(ratio, abs=0.1)


def test_a_pair_is_of_two_voices_and_two_digits():
    wanted, other = listening.pairs()
    assert (wanted.digits != other.digits).all() and (wanted.voices != other.voices).all() and len(wanted) > 500


# Sound files


def file(path, samples, rate=sound.RATE, channels=1, width=2):
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(np.asarray(samples, f"<i{width}").tobytes())
    return path


def test_a_digit_is_found_in_a_longer_recording(tmp_path, unheard):
    clip = unheard.sound[3]
    long = np.concatenate([np.zeros(9000), clip, np.zeros(7000)]) * 20_000
    found = digits.read(file(tmp_path / "long.wav", long))[0]
    alike = np.correlate(found, clip, "full") / np.linalg.norm(found) / np.linalg.norm(clip)
    assert alike.max() > 0.99 and abs(alike.argmax() - (sound.CLIP - 1)) < 0.1 * sound.RATE  # as far as in training
    short = digits.read(file(tmp_path / "short.wav", long[9000:9000 + 4000]))
    assert short.shape == (1, sound.CLIP)


@pytest.mark.parametrize(("made", "reason"), [
    (lambda path: file(path, np.ones(50_000), rate=44_100), "44,100 samples a second.*ffmpeg"),
    (lambda path: file(path, np.ones(50_000), channels=2), "2 channels"),
    (lambda path: file(path, np.ones(50_000), width=4), "32 bits"),
    (lambda path: file(path, np.zeros(50_000)), "silence"),
    (lambda path: file(path, []), "silence"),
    (lambda path: path.write_bytes(b"no sound at all"), "no plain WAV file"),
    (lambda path: path.write_bytes(b""), "no plain WAV file"),
    (lambda path: None, "There is no file digit.wav"),
])
def test_a_file_that_cannot_be_heard_says_why(tmp_path, untrained, made, reason):
    path = tmp_path / "digit.wav"
    made(path)
    with pytest.raises(digits.NoSpeech, match=reason):
        digits.read(path)
    assert re.search(reason, listening.own(untrained, path))


def test_a_recording_is_answered_and_none_is_asked_for(tmp_path, untrained, unheard):
    path = file(tmp_path / "digit.wav", unheard.sound[0] * 20_000)
    assert re.fullmatch(r"It hears \w+ \(\d+%\), then \w+ \(\d+%\)\.", listening.own(untrained, path))
    assert "No recording" in listening.own(untrained, None)


# The recogniser


def test_a_moment_of_training_tells_digits_of_new_voices_apart(heard, unheard):
    learned = listening.learned(sound.pictures(heard.sound), torch.from_numpy(heard.digits), 20)
    assert learned.run.complete and learned.right(unheard.sound, unheard.digits).value > 40


def test_a_training_that_had_no_time_says_nothing_and_the_lab_goes_on(heard):
    hurried = listening.learned(sound.pictures(heard.sound), torch.from_numpy(heard.digits), 1e-3)
    noise = hurried.noise()
    voices = lab.voices(hurried, noise)
    assert all(isinstance(outcome, Unavailable) and "too slow" in outcome.reason
               for outcome in (tables.clear(hurried), hurried.both(0), *noise.values(), voices.predict(**lab.EQUAL)))
    comparison = compare(voices, [lab.EQUAL])
    not_followed = Comparison(lab.followed(HERE), (Row(lab.START, Unavailable("No."), Unavailable("No.")),))
    assert tables.told((hurried, hurried), comparison, not_followed) == {}
    assert isinstance(figures.recognised(noise, comparison), Unavailable)
    assert "too slow" in str(tables.learned({"no time": hurried}))
    assert checks.enough(3, voices, 80).state == NOT_HERE


def test_another_voice_is_predicted_as_noise_and_a_microphone_each_as_softer(untrained):
    voices = lab.voices(untrained, NOISE)
    assert voices.predict(ratio=0, microphones=lab.ONE).value == pytest.approx(54)
    assert voices.predict(ratio=-10, microphones=lab.EACH) == voices.predict(ratio=10, microphones=lab.ONE)
    assert 0 <= voices.measure(**lab.EQUAL).value < 40  # it has learned nothing
    assert checks.enough(6, voices, 80).state == RIGHT and checks.enough(3, voices, 80).state == WRONG


# Streams


def test_streams_fit_the_time_between_two_clips():
    followed = lab.followed(HERE)
    assert followed.predict(**lab.START).value == pytest.approx(0.1 / 2.4e-4, abs=1)
    assert followed.predict(**{**lab.START, "hop": 0.5}).value == pytest.approx(0.5 / 2.4e-4, abs=1)
    shared, batches, own = (followed.predict(**{**lab.START, "way": way}).value for way in (SHARED, BATCHES, OWN))
    assert batches > shared > own


def test_a_clip_that_takes_longer_than_its_deadline_is_not_followed():
    slow = lab.followed(fakes.machine(calibrations={"hearing": fakes.calibration(
        {(key,): [[1, 0.3], [64, 20.0]] for key in (BATCHES, OWN, "the network alone")})}))
    assert "Not one stream is followed" in slow.predict(**lab.START).reason
    assert slow.measure(**lab.START) == slow.predict(**lab.START)


def test_a_disturbed_calibration_leaves_no_point_without_a_number_or_a_reason():
    curves = {(BATCHES,): [[1, 0.2], [4, 0.01], [64, 0.02]], ("the network alone",): [[1, 0.3], [64, 0.01]],
              (OWN,): [[1, 0.2], [4, 1e-3], [16, 0.08], [64, 1e-3]]}
    machine = fakes.machine(calibrations={"hearing": fakes.calibration(curves)})
    for experiment in (lab.load(machine), lab.followed(machine)):
        assert all(outcome or outcome.reason for point in experiment.points()
                   for outcome in [experiment.predict(**point)])


def test_no_stream_and_too_many_say_how_many_would_fit():
    load = lab.load(HERE)
    none, many = (load.predict(streams=streams, cores=1, hop=0.1, way=SHARED) for streams in (0, 10_000))
    assert "Up to 416 would fit" in none.reason and "416 would fit" in many.reason
    room = load.predict(streams=200, cores=1, hop=0.1, way=SHARED)
    assert room.value == pytest.approx(48, rel=0.01) and 0.3 < room.parts[lab.HEARING] / room.value < 0.7
    assert load.predict(streams=10_000, cores=32, hop=0.1, way=SHARED).value < 100
    with pytest.raises(ValueError, match="cannot be 20000"):
        load.predict(streams=20_000, cores=1, hop=0.1, way=SHARED)


def test_the_tables_say_what_a_clip_takes_and_what_limits():
    assert "120 µs" in str(tables.clip(HERE)) and "220 µs" in str(tables.clip(HERE))
    followed = compare(lab.followed(HERE), [])
    assert tables.recognised(followed) == Unavailable("This run did not come to that point.")


# What a page shows


def test_clips_are_played_from_the_page_itself(unheard):
    page = Players({"<one>": unheard.sound[0]})._repr_html_()
    assert "&lt;one&gt;" in page and "<one>" not in page and "http" not in page
    stored = base64.b64decode(re.search(r"data:audio/wav;base64,([^\"]+)", page)[1])
    with wave.open(io.BytesIO(stored)) as heard:
        assert heard.getframerate() == sound.RATE and heard.getnframes() == sound.CLIP
    assert len(page) < 20_000


def test_figures_show_each_clip_and_each_microphone(untrained, unheard):
    assert len(figures.seen({"a": unheard.sound[0], "b": unheard.sound[1]}).axes) == 2
    comparison = compare(lab.voices(untrained, NOISE), [dict(ratio=0, microphones=each) for each in lab.MICROPHONES])
    assert len(figures.recognised(NOISE, comparison).axes[0].get_legend().texts) == 3
