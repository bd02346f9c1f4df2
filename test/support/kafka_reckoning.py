"""What the promises say of a topic, counted: what stands in it, read back by a client that is not ours, against what
was answered and what the service got."""
from collections import Counter, defaultdict


def check_topic(account, received, records):
    """`account` is the load's, `received` what the service got of it, `records` what stands in the topic of it, each
    partition's in order."""
    stored = {record.body for record in records}
    there = account.refused_unexecuted & stored
    assert not there, f'answered executed="no", and yet stored: {sorted(there)[:5]}'
    gone = account.acknowledged - stored
    assert not gone, f"answered 202, and not stored: {sorted(gone)[:5]}"
    lost = {record.body for record in records} - account.finished - account.dead.keys()
    assert not lost, f"{len(lost)} stored, and neither carried out nor a dead letter: {sorted(lost)[:5]}"
    check_identities(account, received, records)
    check_order(account, received, records)


def check_identities(account, received, records):
    """A body may come twice with the one ID only that was answered for it."""
    identities = defaultdict(set)
    for record in records:
        identities[record.body].add(record.message_id)
    for request in received:
        identities[request.body].update(request.values("shunt-message-id"))
    for outcome in account.outcomes:
        if outcome.status == 202:
            identities[outcome.question].add(outcome.headers["shunt-message-id"])
    several = {body: found for body, found in identities.items() if len(found) != 1 or None in found}
    assert not several, f"{len(several)} do not have one ID, such as {next(iter(several.items()))}"


def check_order(account, received, records):
    """Each key in one partition; and nothing is delivered before all that stand before it with the same key have been
    carried out, or are dead letters."""
    first, done = {}, {}
    for request in received:
        first.setdefault(request.body, request.began)
        if request.status and request.status < 300:
            done[request.body] = min(request.ended, done.get(request.body, request.ended))
    places, last = {}, {}
    for record in records:
        assert places.setdefault(record.key, record.partition) == record.partition, f"{record.key} in two partitions"
        before = last.get(record.key)
        last[record.key] = record.body
        if before is None or before == record.body or before in account.dead or record.body not in first:
            continue
        assert before in done and done[before] < first[record.body], (
            f"{record.body} was delivered before {before} of the same key had been carried out")


def told(received, records):
    """Duplicates in a word."""
    twice = sum(count - 1 for count in Counter(record.body for record in records).values())
    again = sum(count - 1 for count in Counter(request.body for request in received).values())
    return f"{len(records)} records, {twice} of them repeated; {len(received)} deliveries, {again} of them repeated"
