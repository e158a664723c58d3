"""Object stores: runs are found and read by URL, arrive whole or not at all, and no password is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import importing
from frames import frame, metadata
from killed_runs import SPACE, fake_host
from machines import recorded
from trainings import facts as learning_facts
from trainings import trainings

import grouped_bench as gb
from grouped_bench.analyse.statistics.derive import RULES
from grouped_bench.api.advise import evidence
from grouped_bench.errors import (
    GroupedBenchError,
    NotUploadedError,
    OutputError,
    RunError,
    SpaceError,
    UnavailableError,
)
from grouped_bench.harness.processes import probing
from grouped_bench.store import learning
from grouped_bench.store.files import object_store
from grouped_bench.store.files.object_store import ObjectStore, copies, local_folder
from grouped_bench.store.runs import find_all_runs, find_runs, write_run

fsspec = pytest.importorskip("fsspec")
SECRET = "5ecr3t-of-n0body"


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def server():
    """The address of a server on this machine that speaks S3's protocol."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(request, monkeypatch):
    """The URL of an empty bucket of S3."""
    told = {"AWS_ENDPOINT_URL": request.getfixturevalue("server"), "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**told, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("lab")
    yield "s3://lab"
    files.rm("lab", recursive=True)


@pytest.fixture(params=["memory", "s3"])
def store(request):
    """The URL of an empty folder of a store."""
    if request.param == "s3":
        yield f"{request.getfixturevalue('bucket')}/runs"
        return
    yield "memory://lab/runs"
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def made(folder, *names):
    """Runs of these ids in a local folder."""
    for seed, name in enumerate(names):
        rows = frame(groups=(1, 4), channels=(64,), passes=("training",), run_id=name, seed=seed)
        facts = metadata(run_id=name) | {**recorded(), "machine": rows["machine"].iloc[0]}
        control = {**metadata()["control"], RULES: 0.01}
        write_run(rows, {**facts, "control": control}, folder / rows["machine"].iloc[0] / f"{name}.parquet")
    return sorted(folder.rglob("*.parquet"), key=lambda path: path.name)


@pytest.fixture
def filled(store, tmp_path):
    """A store with two runs, and their local files."""
    files = made(tmp_path / "local", "20260101-000000-aaaa", "20260102-000000-bbbb")
    ObjectStore(store).upload(files, tmp_path / "local")
    return store, files


# Found and read


def test_runs_are_found_by_url_id_and_latest(filled):
    url, (first, second) = filled
    machine = first.parent.name
    named = {
        url: [first, second],
        f"{url}/": [first, second],
        f"{url}/{machine}": [first, second],
        f"{url}/{machine}/{first.name}": [first],
        f"{url}/latest": [second],
    }
    for name, expected in named.items():
        found = find_runs(name, "results")
        assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected], name
        assert [path.name for path in found] == [path.name for path in expected]
    assert [path.name for path in find_all_runs([first.stem, "latest"], url)] == [first.name, second.name]


def test_a_file_here_is_one_whatever_out_says(filled):
    url, (first, _) = filled
    assert find_runs(str(first), url) == [first]


@pytest.mark.parametrize("name", ["latest", "20250101-000000-abcd"])
def test_what_is_not_there_is_said(store, name):
    for words in ((name, store), (f"{store}/{name}", "results")):
        with pytest.raises(RunError, match="holds no such run") as caught:
            find_runs(*words)
        assert store in str(caught.value)


def test_every_command_that_takes_a_run_takes_a_url(filled, tmp_path):
    url, files = filled
    names = [str(path) for path in files]
    assert gb.show(gb.load_all([url])) == gb.show(gb.load_all(names))
    assert gb.load("latest", url).metadata == gb.load(names[1]).metadata
    told = [gb.query("select count(*) as n from samples", where).to_pylist() for where in ([url], names)]
    assert told[0] == told[1] != [{"n": 0}]
    assert gb.query("select run_id from runs", out=url).num_rows == 2
    gb.publish(tmp_path / "set", [url])
    assert sorted(path.name for path in (tmp_path / "set").rglob("*.parquet")) == [path.name for path in files]
    assert gb.write_report(gb.load_all([url]), tmp_path / "page.html").stat().st_size > 0
    there = gb.compare(f"{url}/{files[0].parent.name}/{files[0].name}", f"{url}/latest")
    assert str(there.comparison) == str(gb.compare(*names).comparison)
    assert len(gb.history(url).moments) == 2
    assert evidence([url], "results") == evidence(names, "results")
    assert evidence([], url) == evidence(names, "results")
    gb.save_baselines([url], to=tmp_path / "baselines")
    assert len([*(tmp_path / "baselines").rglob("*.parquet")]) == 2


def test_trainings_are_found_too_and_are_no_runs(store, tmp_path):
    path = tmp_path / "local" / "machine" / f"20260101-000000-abcd{learning.SUFFIX}"
    learning.write(path, trainings({}, 2), learning_facts())
    ObjectStore(store).upload([path], tmp_path / "local")
    assert learning.find("latest", store).read_bytes() == path.read_bytes()
    assert gb.load_learning(f"{store}/latest").trainings == gb.load_learning(path).trainings
    with pytest.raises(RunError, match="holds no such run"):
        find_runs(store, "results")


def test_a_copy_is_made_once_and_anew_when_the_file_changes(filled, tmp_path, monkeypatch):
    url, (first, second) = filled
    (copy,) = find_runs(f"{url}/latest", "results")
    before = copy.stat().st_mtime_ns
    assert find_runs(f"{url}/latest", "results") == [copy]
    assert copy.stat().st_mtime_ns == before
    shutil.copyfile(first, second)
    ObjectStore(url).upload([second], tmp_path / "local")
    (fresh,) = find_runs(f"{url}/latest", "results")
    assert fresh.read_bytes() == first.read_bytes() != copy.read_bytes()


def test_a_copy_that_is_cut_short_is_none(filled, tmp_path, monkeypatch):
    url, (_, second) = filled
    files = ObjectStore(url)._files  # which all share

    def half(path, copy):
        Path(copy).write_bytes(b"PAR1")
        raise OSError("the line is dead")

    with monkeypatch.context() as patched:
        patched.setattr(files, "get_file", half)
        with pytest.raises(RunError, match="the line is dead"):
            find_runs(f"{url}/latest", "results")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert find_runs(f"{url}/latest", "results")[0].read_bytes() == second.read_bytes()


# Whole or not at all


def test_an_upload_that_breaks_off_leaves_nothing(store, tmp_path, monkeypatch):
    files = made(tmp_path / "local", "20260101-000000-aaaa")

    def half(source, target, length):
        target.write(source.read(100))
        raise OSError("the line is dead")

    monkeypatch.setattr(object_store.shutil, "copyfileobj", half)
    with pytest.raises(OutputError, match="the line is dead"):
        ObjectStore(store).upload(files, tmp_path / "local")
    assert ObjectStore(store).find("") == []


def test_an_upload_that_is_killed_leaves_nothing_that_is_seen(bucket, tmp_path):
    script = (
        "import os, pathlib, signal, sys; from grouped_bench.store.files import object_store as o\n"
        "def dying(source, target, length):\n"
        "    target.write(bytes(12 << 20)); target.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "o.shutil.copyfileobj = dying\n"
        "o.ObjectStore(sys.argv[1]).upload([pathlib.Path(sys.argv[2])], pathlib.Path(sys.argv[2]).parent)\n"
    )
    path = tmp_path / "run.parquet"
    path.write_bytes(b"PAR1")
    ended = subprocess.run([sys.executable, "-c", script, bucket, str(path)], env=importing(), check=False)
    assert ended.returncode == -9
    assert ObjectStore(bucket).find("") == []
    ObjectStore(bucket).upload([path], tmp_path)
    assert [found.name for found in ObjectStore(bucket).find("")] == ["run.parquet"]


# Runs that go there


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)


@pytest.fixture
def measuring(fake):
    """Measures a small space by fake workloads."""
    return lambda **more: gb.run(gb.Space(**SPACE), visits=3, seed=3, peaks=False, **more)


def test_a_run_goes_there_when_it_has_ended(store, measuring, tmp_path):
    run = measuring(out=store)
    folder = local_folder(store)
    assert folder == tmp_path / "state" / "grouped-bench" / store.replace("://", "/")
    assert sorted(path.name for path in ObjectStore(store).find("")) == [
        f"{run.metadata['run_id']}.html",
        run.path.name,
    ]
    assert run.url == f"{store}/{run.path.relative_to(folder)}"
    assert gb.load("latest", store).metadata == run.metadata
    assert not list(folder.rglob("*.journal"))
    assert SECRET.encode() not in run.path.read_bytes() + run.path.with_suffix(".html").read_bytes()


def test_a_run_that_could_not_be_uploaded_is_kept_and_resumed_without_measuring(store, measuring, monkeypatch):
    def dead(self, files, folder):
        raise OutputError("An object store must be writable", received="it is dead", remedy="Wait")

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "upload", dead)
        with pytest.raises(NotUploadedError, match="it is dead") as caught:
            measuring(out=store)
    assert caught.value.run.path.exists()
    (journal,) = local_folder(store).rglob("*.journal")
    assert f"`grouped-bench run --resume {journal.stem} --out {store}`" in str(caught.value)
    assert ObjectStore(store).find("") == []
    with pytest.raises(RunError, match=f"Resume the unfinished one with .*--out {store}"):
        gb.load("latest", store)
    monkeypatch.setattr(probing, "Host", None)  # nothing is started
    run = gb.resume(journal.stem, out=store)
    assert run.url and not journal.exists()
    assert gb.load(run.url).metadata == run.metadata


def test_a_place_that_takes_no_file_is_refused_before_anything_is_measured(store, measuring, monkeypatch):
    def refuse(self, path, content):
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(ObjectStore, "_write", refuse)
    monkeypatch.setattr(probing, "Host", None)
    with pytest.raises(OutputError, match="Access Denied"):
        measuring(out=store)


def test_a_bucket_that_is_not_there_is_named_and_not_made(bucket):
    for call in (ObjectStore("s3://nowhere/runs").check_writable, lambda: find_runs("s3://nowhere/runs", "results")):
        with pytest.raises(GroupedBenchError, match="s3://nowhere/runs"):
            call()
    assert not fsspec.filesystem("s3", skip_instance_cache=True).exists("nowhere")


def test_a_store_that_nobody_answers_for_is_one_sentence(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(RunError, match=r"127\.0\.0\.1:9") as caught:
        find_runs(f"{bucket}/runs", "results")
    assert SECRET not in str(caught.value)
    fsspec.filesystem("s3").clear_instance_cache()


# What is refused


@pytest.mark.parametrize("url", ["http://host/runs", "ftp://host/runs", "s3://", "file:///runs", "://"])
def test_other_urls_are_refused(url):
    with pytest.raises(SpaceError, match="must name a place in s3://"):
        find_runs(url, "results")


def test_a_password_in_a_url_is_refused_and_not_shown():
    with pytest.raises(SpaceError, match="no user or password") as caught:
        find_runs(f"s3://me:{SECRET}@lab/runs", "results")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("url", "library"), [("s3://lab/runs", "s3fs"), ("gs://lab/runs", "gcsfs")])
def test_a_library_that_is_missing_is_named_with_its_extra(url, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, url.partition(":")[0], raising=False)
    with pytest.raises(UnavailableError, match=rf"{library}.*pip install 'grouped-bench\[(s3|gcs)\]'"):
        ObjectStore(url)


@pytest.mark.parametrize(
    "write",
    [
        lambda url, runs: gb.run_both(sys.executable, sys.executable, out=url),
        lambda url, runs: gb.step_both("train:step", out=url),
        lambda url, runs: gb.publish(url, [str(run.path) for run in runs]),
        lambda url, runs: gb.save_baselines([str(runs[0].path)], to=url),
        lambda url, runs: gb.write_report(runs, url),
        lambda url, runs: gb.write_report(runs, "page.html", figures=url),
        lambda url, runs: gb.write_figures(runs, url),
        lambda url, runs: gb.compact(url),
    ],
)
def test_what_is_written_here_alone_says_so(write, tmp_path):
    runs = [gb.load(path) for path in made(tmp_path / "local", "20260101-000000-aaaa")]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SpaceError, match="must be written to a local path"):
        write("memory://lab/runs", runs)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_scheme_may_be_in_capitals(filled):
    url, (_, second) = filled
    scheme, _, rest = url.partition(":")
    assert find_runs(f"{scheme.upper()}:{rest}/latest", "results")[0].read_bytes() == second.read_bytes()


def test_copies_of_an_id_are_of_that_id_alone(filled):
    url, (first, _) = filled
    assert [path.name for path in copies(first.stem, url, ".parquet")] == [first.name]
