"""What `probe` says of clips, and of files that only claim to be clips."""

import os
import pickle
import resource
import socket
import struct
import time
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from vda_assets.media.errors import (
    DamagedVideo,
    MediaError,
    NotAVideo,
    NoVideoStream,
    TooFewFrames,
    TookTooLong,
    UnsuitableVideo,
)
from vda_assets.media.probe import probe
from vda_assets.media.reading import open_clip
from vda_assets_tests.media.conftest import INPUTS, MakeClip, with_noise_for_frames, write_clip


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


@pytest.mark.parametrize(
    ("codec", "options"), [("libx264", {"bf": "3"}), ("libx265", {"preset": "ultrafast"}), ("mpeg4", {})]
)
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
    with pytest.raises(DamagedVideo, match="something else lies where a picture should be"):
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


def test_a_recording_that_begins_inside_a_group_of_pictures_is_told_with_the_command_that_mends_it():
    told = r"the first 15 of its 90 pictures cannot be shown\. Encode what can be shown: ffmpeg -i IN .*OUT\.mp4$"
    with pytest.raises(DamagedVideo, match=rf"^nokey\.mp4: it begins without a key frame: {told}"):
        probe(INPUTS / "nokey.mp4", name="nokey.mp4")


@pytest.mark.parametrize("name", ["nokey.mkv", "nokey.avi"])
def test_so_is_one_in_another_format(tmp_path: Path, name: str):
    copy = stream_copy(INPUTS / "nokey.mp4", tmp_path / name)
    with pytest.raises(DamagedVideo, match="begins without a key frame: the first 15 of its 90 pictures"):
        probe(copy, name=name)


def stream_copy(source: Path, target: Path, *, skip: int = 0) -> Path:
    with av.open(str(source)) as clip, av.open(str(target), "w") as made:
        track = made.add_stream_from_template(clip.streams.video[0])
        begin = None
        for number, packet in enumerate(clip.demux(video=0)):
            if not packet.size or number < skip:
                continue
            begin = packet.dts if begin is None else begin
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, track
            made.mux(packet)
    return target


@pytest.mark.parametrize("name", ["open.mp4", "open.mkv"])
def test_pictures_that_need_others_from_before_the_beginning_are_missed(tmp_path: Path, name: str):
    whole = tmp_path / "whole.mp4"
    options = {"g": "10", "keyint_min": "10", "bf": "3", "b_strategy": "0", "sc_threshold": "0", "flags": "-cgop"}
    with av.open(str(whole), "w") as clip:
        stream = clip.add_stream("libx264", rate=25, options={**options, "x264-params": "open-gop=1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(50):
            pixels = np.full((64, 96, 3), number * 5, np.uint8)
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        clip.mux(stream.encode(None))
    assert probe(whole, name="whole.mp4").frame_count == 50
    with av.open(str(whole)) as clip:
        keys = [number for number, packet in enumerate(clip.demux(video=0)) if packet.is_keyframe]
    cut = stream_copy(whole, tmp_path / name, skip=keys[1])
    with av.open(str(cut)) as clip:
        shown = sum(1 for _ in clip.decode(video=0))
        promised = 50 - keys[1]
    assert shown < promised
    if name == "open.mp4":
        # Its edit list leaves them out: nothing is promised that is not shown.
        assert probe(cut, name=name).frame_count == shown
        return
    with pytest.raises(DamagedVideo, match=rf"^{name}: {promised - shown} of its first .* cannot be shown"):
        probe(cut, name=name)


@pytest.mark.parametrize("name", ["c.mp4", "c.mkv", "c.avi"])
def test_a_zeroed_tail_is_seen(make_clip: MakeClip, name: str):
    how = {"codec": "mpeg4"} if name == "c.avi" else {"faststart": True} if name == "c.mp4" else {}
    content = make_clip(name, frame_count=100, **how).read_bytes()
    with pytest.raises(DamagedVideo, match=rf"^{name}: "):
        probe(BytesIO(content[: len(content) * 8 // 10] + bytes(len(content) * 2 // 10)), name=name)


@pytest.mark.parametrize(("begin", "fill"), [(0, 0), (0, 0xFF), (4, 0), (4, 0xFF)])
def test_a_hole_at_some_key_frame_is_seen(tmp_path: Path, begin: int, fill: int):
    path = tmp_path / "hole.mp4"
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=25, options={"g": "10", "crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(60):
            picture = noise.integers(0, 256, (64, 96, 3), np.uint8)
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        clip.mux(stream.encode(None))
    with av.open(str(path)) as clip:
        entry = [one for one in clip.streams.video[0].index_entries if one.is_keyframe][-1]
    content = bytearray(path.read_bytes())
    content[entry.pos + begin : entry.pos + entry.size] = bytes([fill]) * (entry.size - begin)
    with pytest.raises(
        DamagedVideo, match=r"(do not decode|something else lies where a picture should be).*ffmpeg -i IN"
    ):
        probe(BytesIO(bytes(content)), name="hole.mp4")


@pytest.mark.parametrize("name", ["c.mkv", "c.mp4", "c.avi"])
@pytest.mark.parametrize(("codec", "pixel_format"), [("libx264", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_pictures_that_change_their_size_are_told_with_the_command_that_mends_them(
    tmp_path: Path, name: str, codec: str, pixel_format: str
):
    path = tmp_path / name
    with av.open(str(path), "w") as made:
        track = None
        for part, width in enumerate((96, 128)):
            # An AVI's H.264 says the size again at each key frame.
            source = write_clip(
                tmp_path / f"{width}.avi", width=width, frame_count=30, codec=codec, pixel_format=pixel_format
            )
            with av.open(str(source)) as clip:
                if track is None:
                    track = made.add_stream_from_template(clip.streams.video[0])
                for number, packet in enumerate(packet for packet in clip.demux(video=0) if packet.size):
                    packet.pts = packet.dts = part * 30 + number
                    packet.stream = track
                    made.mux(packet)
    with pytest.raises(UnsuitableVideo, match=r"pictures change from 96x64 to 128x64 .*Encode it in one: ffmpeg -i IN"):
        probe(path, name=name)


def test_a_clip_of_a_few_pictures_is_whole():
    info = probe(INPUTS / "four_frames.mp4", name="four_frames.mp4")
    assert (info.frame_count, info.fps, info.is_variable_rate) == (4, Fraction(25), False)


def test_a_list_of_other_files_is_not_a_video_and_none_of_them_is_touched(tmp_path: Path, make_clip: MakeClip):
    private = make_clip("private.mp4")
    evil = tmp_path / "evil.mp4"
    evil.write_text(f"ffconcat version 1.0\nfile 'private.mp4'\nfile '{private}'\n")
    before = private.stat().st_atime_ns
    for source in (evil, BytesIO(evil.read_bytes())):
        with pytest.raises(NotAVideo, match="a playlist that names other files"):
            probe(source, name="evil.mp4")
    assert private.stat().st_atime_ns == before


def test_a_session_description_opens_no_port(tmp_path: Path):
    path = tmp_path / "camera.mp4"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path.write_text(f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n")
    begun = time.monotonic()
    with pytest.raises(NotAVideo):
        probe(path, name="camera.mp4")
    assert time.monotonic() - begun < 1


def test_an_mp4_whose_pictures_lie_in_another_file_is_refused(tmp_path: Path, make_clip: MakeClip):
    """The data reference says: not in this file, but in the one of that name."""
    content = make_clip("whole.mp4", faststart=True).read_bytes()
    at = content.index(b"url \0\0\0\1")
    evil = bytearray(content)
    evil[at : at + 8] = b"url \0\0\0\0"
    evil[at - 4 : at] = struct.pack(">I", 12)
    path = tmp_path / "evil.mp4"
    path.write_bytes(bytes(evil).replace(content[content.index(b"mdat") :], b"mdat"))
    with pytest.raises(MediaError):
        probe(path, name="evil.mp4")


def test_a_pipe_is_no_clip_and_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(NotAVideo, match="not a file"):
        probe(tmp_path / "pipe.mp4", name="pipe.mp4")


def test_a_storage_that_hardly_answers_is_not_waited_for_without_end(make_clip: MakeClip):
    class Slow(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.2)
            return super().read(1)

    begun = time.monotonic()
    content = make_clip("c.mp4").read_bytes()
    with pytest.raises(TookTooLong, match="within 1 seconds"), open_clip(Slow(content), name="c.mp4", seconds=1):
        pass
    assert time.monotonic() - begun < 5


def test_a_fault_of_the_storage_while_reading_is_told_as_that(make_clip: MakeClip):
    class Broken(BytesIO):
        left = 3

        def read(self, size: int | None = -1) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise ConnectionResetError("the bucket went away")
            return super().read(size)

    with pytest.raises(ConnectionResetError, match="the bucket went away"):
        probe(Broken(make_clip(frame_count=100).read_bytes()), name="c.mp4")


def test_a_header_that_asks_for_pictures_of_any_size_gets_no_memory(make_clip: MakeClip):
    content = bytearray(make_clip("c.avi", codec="mjpeg", pixel_format="yuvj420p").read_bytes())
    for _ in range(content.count(b"\xff\xc0")):
        at = content.index(b"\xff\xc0")
        content[at + 1] = 0xC1  # so that the next one is found; baseline and extended are decoded alike
        content[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MediaError):
        probe(BytesIO(bytes(content)), name="c.avi")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_words_in_another_encoding_do_not_matter(make_clip: MakeClip):
    content = make_clip("c.avi", codec="mpeg4").read_bytes()
    begin = content.index(b"ISFT") + 8
    assert probe(BytesIO(content[:begin] + b"\xe9\xff" + content[begin + 2 :]), name="c.avi").frame_count == 10


@pytest.mark.parametrize(
    ("at", "varies"),
    [
        ([0, 40, 80, 120, 160, 200], False),
        ([0, 33, 67, 100, 133, 167, 200], False),
        ([0, 40, 80, 120, 320, 360, 400, 440], True),
        ([0, 1, 2, 3, 200, 201, 202, 203], True),
    ],
)
def test_a_rate_varies_when_pictures_do_not_stand_where_it_puts_them(tmp_path: Path, at: list[int], varies: bool):
    for name in ("c.mkv", "c.mp4"):
        path = tmp_path / name
        with av.open(str(path), "w") as clip:
            stream = clip.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for time_ms in at:
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
                clip.mux(stream.encode(frame))
            clip.mux(stream.encode(None))
        assert probe(path, name=name).is_variable_rate is varies
