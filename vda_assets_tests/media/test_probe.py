"""What `probe` says of clips, and of files that only claim to be clips."""

import pickle
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from vda_assets.media.errors import DamagedVideo, MediaError, NotAVideo, NoVideoStream, TooFewFrames
from vda_assets.media.probe import probe
from vda_assets_tests.media.conftest import MakeClip, with_noise_for_frames


def test_a_clip_is_described_by_what_is_in_it(make_clip: MakeClip):
    info = probe(make_clip(frame_count=10, fps=25, with_sound=True), name="clip.mp4")
    assert (info.width, info.height, info.fps, info.frame_count) == (96, 64, Fraction(25), 10)
    assert info.duration_seconds == pytest.approx(0.4)
    assert (info.codec, info.pixel_format, info.has_audio) == ("h264", "yuv420p", True)
    assert "mp4" in info.format


def test_a_binary_file_serves_as_well_as_a_path_and_is_read_from_its_beginning(make_clip: MakeClip):
    path = make_clip()
    with path.open("rb") as file:
        first = probe(file, name="clip.mp4")
        assert probe(file, name="clip.mp4") == first == probe(path, name="clip.mp4")


@pytest.mark.parametrize(("codec", "options"), [("libx264", {"bf": "3"}), ("libx265", {}), ("mpeg4", {})])
def test_of_a_long_mp4_only_the_beginning_and_the_index_are_read(tmp_path: Path, codec: str, options: dict[str, str]):
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 20_000_000
        noise = np.random.default_rng(0)
        for _ in range(150):
            picture = noise.integers(0, 256, (240, 320, 3), np.uint8)
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        clip.mux(stream.encode(None))

    class Counted(BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            self.taken += len(piece)
            return piece

    file = Counted(path.read_bytes())
    info = probe(file, name="long.mp4")
    assert (info.frame_count, info.duration_seconds) == (150, pytest.approx(6.0))
    assert file.taken < len(file.getvalue()) / 4


def test_a_matroska_clip_may_begin_late(tmp_path: Path, make_clip: MakeClip):
    late = tmp_path / "late.mkv"
    with av.open(str(make_clip(frame_count=10))) as source, av.open(str(late), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts = packet.pts + 5 * 25 * 512, packet.dts + 5 * 25 * 512
                packet.stream = stream
                target.mux(packet)
    info = probe(late, name="late.mkv")
    assert (info.frame_count, info.duration_seconds) == (10, pytest.approx(0.4, abs=0.01))


@pytest.mark.parametrize("name", ["горка 1.mp4", "駅前:交差点.mp4", "100%d.mp4"])
def test_any_file_name_will_do(make_clip: MakeClip, name: str):
    assert probe(make_clip(name), name=name).frame_count == 10


@pytest.mark.parametrize(
    ("name", "codec", "codec_name"),
    [("c.avi", "mpeg4", "mpeg4"), ("c.mkv", "libx264", "h264"), ("c.webm", "libvpx-vp9", "vp9")],
)
def test_other_containers_and_codecs_are_counted_alike(make_clip: MakeClip, name: str, codec: str, codec_name: str):
    info = probe(make_clip(name, codec=codec), name=name)
    assert (info.frame_count, info.fps, info.codec) == (10, Fraction(25), codec_name)
    assert info.duration_seconds == pytest.approx(0.4)


def test_odd_sizes_are_told_as_they_are(make_clip: MakeClip):
    info = probe(make_clip(width=97, height=65, pixel_format="yuv444p"), name="clip.mp4")
    assert (info.width, info.height, info.rotation_degrees) == (97, 65, 0)
    assert (info.display_width, info.display_height) == (97, 65)


@pytest.mark.parametrize(
    ("counter_clockwise", "clockwise", "shown"), [(-90, 90, (64, 96)), (90, 270, (64, 96)), (180, 180, (96, 64))]
)
def test_a_phone_clip_tells_how_it_is_turned(
    make_clip: MakeClip, counter_clockwise: int, clockwise: int, shown: tuple[int, int]
):
    info = probe(make_clip(counter_clockwise_degrees=counter_clockwise), name="clip.mp4")
    assert (info.width, info.height, info.rotation_degrees) == (96, 64, clockwise)
    assert (info.display_width, info.display_height) == shown


def test_one_frame_is_too_few(make_clip: MakeClip):
    with pytest.raises(TooFewFrames, match=r"still\.mp4: it has 1 frame; at least 2"):
        probe(make_clip(frame_count=1), name="still.mp4")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "zero bytes"), (b"this is not a clip\n" * 200, "plain text"), (bytes(5000), "begins with zeros")],
)
def test_text_and_zero_bytes_are_told_for_what_they_are(tmp_path: Path, content: bytes, what: str):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    for source in (path, str(path), BytesIO(content)):
        with pytest.raises(NotAVideo, match=rf"^notes\.mp4: it .*{what}"):
            probe(source, name="notes.mp4")


def test_an_mp4_that_lost_its_index_is_not_a_video(make_clip: MakeClip):
    whole = make_clip(frame_count=50).read_bytes()
    with pytest.raises(NotAVideo):
        probe(BytesIO(whole[: len(whole) // 2]), name="half.mp4")


@pytest.mark.parametrize(
    ("name", "how"), [("c.mp4", {"faststart": True}), ("c.avi", {"codec": "mpeg4"}), ("c.mkv", {}), ("small.mkv", {})]
)
def test_a_clip_that_is_cut_off_is_damaged_though_its_header_promises_all(make_clip: MakeClip, name: str, how: dict):
    whole = make_clip(name, frame_count=12 if name == "small.mkv" else 100, fps=5, **how).read_bytes()
    with pytest.raises(DamagedVideo, match=f"^{name}: "):
        probe(BytesIO(whole[: len(whole) * 7 // 10]), name=name)


def test_a_clip_whose_frames_are_noise_is_damaged(make_clip: MakeClip):
    with pytest.raises(DamagedVideo, match="decode"):
        probe(BytesIO(with_noise_for_frames(make_clip().read_bytes())), name="clip.mp4")


def test_sound_alone_is_no_video_stream(tmp_path: Path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux([*sound.encode(silence), *sound.encode(None)])
    with pytest.raises(NoVideoStream, match="has no video stream"):
        probe(path, name="song.mp4")


def test_an_unknown_codec_is_named_as_the_problem(make_clip: MakeClip):
    content = make_clip().read_bytes().replace(b"avc1", b"zzz1")
    with pytest.raises(NoVideoStream, match="codec is unknown"):
        probe(BytesIO(content), name="clip.mp4")


def test_trouble_of_the_storage_is_not_blamed_on_the_clip(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "missing.mp4", name="missing.mp4")


def test_an_error_can_be_pickled_so_that_a_process_pool_may_raise_it():
    error = pickle.loads(pickle.dumps(NotAVideo("a.mp4", "it is text.")))
    assert isinstance(error, MediaError)
    assert (str(error), error.name) == ("a.mp4: it is text.", "a.mp4")
