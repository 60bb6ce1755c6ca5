from __future__ import annotations

import json

import pytest

from clsh.monitor.catalogue import METRICS
from clsh.monitor.ganglia.senders import ASK_EVERY_S, CLUSTER, FORGET_S, Limits, Senders
from clsh.monitor.ganglia.xdr import Metadata, Packet, Request, Told, decode
from clsh.monitor.model import Sample
from tests.support.ganglia import DATA

OURS = {"10.0.0.1": ("lab", "n1")}


def senders(limits: Limits | None = None) -> Senders:
    return Senders(lambda address, _: OURS.get(address), METRICS, limits or Limits())


def hear(
    heard: Senders, *packets: Packet, sender: str = "10.0.0.1", now: float = 0.0
) -> list[Sample]:
    for packet in packets:
        heard.hear(packet, sender, now)
    return heard.samples(1000.0, now)


TEMP = Metadata(
    "n1", "temp", "float", "C", extra=(("title", "Temp"), ("GROUP", "g"), ("DESC", "d"))
)
VALUE = Told("n1", "temp", "string", "7.5")


@pytest.mark.parametrize("packets", [(TEMP, VALUE), (VALUE, TEMP)])
def test_a_metric_shows_after_metadata_and_value(packets: tuple[Packet, Packet]) -> None:
    heard = senders()
    (first,) = hear(heard, packets[0])
    assert first.values == {}
    (one,) = hear(heard, packets[1], now=3.0)
    assert (one.cluster, one.node, one.at, one.address) == ("lab", "n1", 1000.0, "10.0.0.1")
    assert one.values == {"temp": 7.5}
    assert (one.metrics["temp"].units, one.metrics["temp"].title) == ("C", "Temp")
    assert one.ages == {"temp": 0.0 if packets[1] is VALUE else 3.0}
    assert one.dmax_s == 0.0
    assert heard.samples(1000.0, 4.0) == []


def test_missing_metadata_is_asked_for_once_a_minute() -> None:
    heard = senders()
    asked = [heard.hear(VALUE, "10.0.0.1", now) for now in (0.0, 1.0, ASK_EVERY_S)]
    assert asked == [Request("n1", "temp"), None, Request("n1", "temp")]
    spoofed = Told("10.0.0.9:x", "temp", "float", 1.0, "%f", spoof=True)
    assert heard.hear(spoofed, "10.0.0.1", 0.0) == Request("10.0.0.9:x", "temp", spoof=True)
    hear(heard, TEMP)
    assert heard.hear(VALUE, "10.0.0.1", 200.0) is None


def test_heartbeats_say_that_a_host_is_there() -> None:
    (one,) = hear(senders(), Told("n1", "heartbeat", "uint", 5, "%u"))
    assert (one.node, one.values, one.metrics) == ("n1", {}, {})


def test_questions_of_others_say_nothing() -> None:
    assert hear(senders(), Request("n1", "temp"), Told("n1", "a/b", "string", "1")) == []


def test_units_and_types() -> None:
    (one,) = hear(
        senders(),
        Metadata("n1", "mem_free", "float", "KB"), Told("n1", "mem_free", "float", 2.0, "%.0f"),
        Metadata("n1", "mem_odd", "strange", "KB", tmax_s=2**32 - 1),
        Told("n1", "mem_odd", "uint", 3, "%u"),
        Metadata("n1", "text", "string"), Told("n1", "text", "string", "x" * 1200),
        Metadata("n1", "bad", "float"), Told("n1", "bad", "string", "fast"),
        Metadata("n1", "nan", "float"), Told("n1", "nan", "string", "nan"),
    )  # fmt: skip
    assert one.values == {"mem_free": 2048.0, "mem_odd": 3072.0, "text": "x" * 1000}
    assert (one.metrics["mem_odd"].type, one.metrics["mem_odd"].units) == ("double", "bytes")
    assert one.metrics["mem_odd"].tmax_s == 10**9
    assert "mem_free" not in one.metrics


def test_strangers_are_in_a_cluster_of_their_own() -> None:
    heard = senders()
    (one,) = hear(heard, TEMP, VALUE, sender="10.9.9.9")
    assert (one.cluster, one.node, one.dmax_s) == (CLUSTER, "n1", FORGET_S)
    (other,) = hear(heard, TEMP, VALUE, sender="10.9.9.8")
    assert other.node == "10.9.9.8"  # another machine of the same name
    (third,) = hear(heard, Told("bad name", "heartbeat", "uint", 0, "%u"), sender="10.9.9.7")
    assert third.node == "10.9.9.7"


def test_spoofed_hosts_are_found_by_their_address() -> None:
    heard = senders()
    mine = Told("10.0.0.1:other", "heartbeat", "uint", 0, "%u", spoof=True)
    new = Told("10.0.0.2:web2", "heartbeat", "uint", 0, "%u", spoof=True)
    bad = Told("-oProxyCommand=x:-l", "heartbeat", "uint", 0, "%u", spoof=True)
    found = hear(heard, mine, new, bad, sender="10.9.9.9")
    assert [(one.cluster, one.node) for one in found] == [("lab", "n1"), (CLUSTER, "web2")]
    assert [text for text in heard.troubles if "bad name '-l'" in text]


def test_a_node_that_is_found_later_moves() -> None:
    found: dict[str, tuple[str, str]] = {}
    heard = Senders(lambda address, _: found.get(address), METRICS)
    assert hear(heard, TEMP, VALUE)[0].cluster == CLUSTER
    found["10.0.0.1"] = ("lab", "n1")
    assert hear(heard, VALUE)[0].cluster == "lab"


def test_limits() -> None:
    heard = senders(Limits(hosts=2, metrics=3, all_hosts=3, all_metrics=4))

    def told(name: str, metric: str = "heartbeat") -> Told:
        return Told(f"10.1.1.1:{name}", metric, "uint", 1, "%u", spoof=True)

    hear(heard, *(told(f"n{i}") for i in range(3)), sender="10.0.0.8")
    assert any("too many hosts: 'n2'" in text for text in heard.troubles)
    assert len(hear(heard, *(told(f"m{i}") for i in range(3)), sender="10.0.0.9")) == 1
    heard.troubles.clear()
    for i in range(4):
        heard.hear(told("n0", f"x{i}"), "10.0.0.8", 0.0)
        heard.hear(told("m0", f"x{i}"), "10.0.0.9", 0.0)
    assert any("10.0.0.8: too many metrics: 'x2'" in text for text in heard.troubles)
    assert any("10.0.0.9: too many metrics: 'x2'" in text for text in heard.troubles)
    for i in range(100):
        heard.hear(told("n0", f"y{i}"), "10.0.0.8", 0.0)
    assert len(heard.troubles) == 20


def test_one_sender_cannot_take_all_the_room() -> None:
    heard = senders(Limits(metrics=1))
    assert hear(heard, TEMP, VALUE, Told("n1", "more", "uint", 1, "%u"))[0].values == {"temp": 7.5}
    assert heard.troubles == {"10.0.0.1: too many metrics: 'more' was left out"}
    assert hear(heard, TEMP, VALUE, sender="10.0.0.2")[0].values == {"temp": 7.5}


def test_silent_hosts_make_room() -> None:
    heard = senders(Limits(hosts=1, all_metrics=1))
    hear(heard, TEMP, VALUE, sender="10.9.9.9")
    assert heard.samples(0.0, FORGET_S + 1) == []
    other = Told("10.1.1.1:x", "y", "uint", 1, "%u", spoof=True)
    assert hear(heard, other, sender="10.9.9.9", now=FORGET_S + 2)[0].node == "x"
    assert heard.troubles == set()
    late = hear(heard, VALUE, sender="10.9.9.8", now=FORGET_S + 2)
    assert late[0].node == "n1"  # the name is free again


def test_real_packets() -> None:
    heard = Senders(lambda *_: None, METRICS)
    for line in (DATA / "gmond-packets.jsonl").read_text().splitlines():
        told = json.loads(line)
        heard.hear(decode(bytes.fromhex(told["hex"])), told["src"], 0.0)
    found = {one.node: one for one in heard.samples(0.0, 0.0)}
    assert {"node1", "vm", "ghost1", "pyhost"} <= set(found)
    assert found["vm"].values["job_temp"] == 71.5
    assert found["vm"].values["note"] == "a<b>&c"
    assert found["node1"].values["disk_total"] == 270.553e9
    assert found["ghost1"].values == {"spoofed_load": 0.5}
    assert found["pyhost"].address == "10.91.0.200"
