"""What the config files of configs.py say where Kafka is the broker."""

BROKER = '{ name = "kafka"; plugin = "kafka"; bootstrap = "%s"; %s}'

ROUTE = """  { name = "%(name)s"; match = { host = "inventory"; path = "%(path)s"; };
    style = "event"; timeout = "%(timeout)s";
    sync  = { upstream = "inventory"; };
    event = { %(event)s }; }"""

SUBSCRIPTION = """  { name = "%(name)s"; broker = "kafka"; topics = ( %(topics)s ); %(group)sstart = "%(start)s";
    deliver = "http://127.0.0.1:%(service)s";
    allow = ( { method = [ "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" ]; path = "/*"; } );
    concurrency = %(concurrency)s; timeout = "%(timeout)s";
    retry = { attempts = 5; backoff = "250ms"; max_backoff = "2s"; max_age = "1h"; }; %(more)s }"""


def broker(bootstrap, more=""):
    return BROKER % (bootstrap, more and f"{more} ")


def quoted(*names):
    return ", ".join(f'"{name}"' for name in names)


def event(*topics, more=""):
    """The block of an event to one or several topics."""
    return f'broker = "kafka"; topics = ( {quoted(*topics)} ); {more}'


def route(name, path, block, timeout="5s"):
    return ROUTE % {"name": name, "path": path, "event": block, "timeout": timeout}


def subscription(name, topics, service, group=None, start="earliest", concurrency=32, timeout="4s", more=""):
    """Without a group it is the one that Shunt makes of the names of service and subscription."""
    return SUBSCRIPTION % {"name": name, "topics": quoted(*topics), "service": service, "start": start,
                           "group": f'group = "{group}"; ' if group else "", "concurrency": concurrency,
                           "timeout": timeout, "more": more}
