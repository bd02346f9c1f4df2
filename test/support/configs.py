"""The config files that the scenarios use: orders' sidecar, which calls, and inventory's, which is called.

Texts in Shunt's own grammar with a few blanks, so that a reader sees what a user would write."""

STYLES = ("sync", "request_reply", "event")

CALLER = """
service = "orders";
grace = "8s";
log = { format = "json"; };
admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "outbound"; address = "127.0.0.1:%(listen)s"; host = "inventory"; } );
upstreams = ( { name = "inventory"; endpoints = ( "127.0.0.1:%(service)s" ); } );
brokers   = ( %(brokers)s );
routes = (
%(routes)s
);
"""

RABBIT = '{ name = "rabbit"; plugin = "amqp"; url = "%s"; }'

ROUTE = """  { name = "%(name)s"; match = { host = "inventory"; path = "%(path)s"; };
    style = "%(style)s"; timeout = "%(timeout)s";
    sync          = { upstream = "inventory"; };
    request_reply = { broker = "rabbit"; queue = "%(queue)s"; reply = "await"; };
    event         = { broker = "rabbit"; queue = "%(queue)s"; };
    %(more)s }"""

CALLEE = """
service = "inventory";
grace = "8s";
log = { format = "json"; };
admin = { address = "127.0.0.1:@ADMIN@"; };
brokers = ( %(brokers)s );
subscriptions = (
%(subscriptions)s
);
"""

SUBSCRIPTION = """  { name = "%(name)s"; broker = "rabbit"; queue = "%(queue)s";
    deliver = "http://127.0.0.1:%(service)s";
    allow = ( { method = [ "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" ]; path = "/*"; } );
    concurrency = %(concurrency)s; timeout = "%(timeout)s";
    retry = { attempts = 5; backoff = "250ms"; max_backoff = "2s"; max_age = "1h"; }; %(more)s }"""


def route(name, path, style, queue, timeout="5s", more=""):
    return ROUTE % {"name": name, "path": path, "style": style, "queue": queue, "timeout": timeout, "more": more}


def caller_of(listen, service, brokers, routes):
    """Brokers as in the file, one or several."""
    return CALLER % {"listen": listen, "service": service, "brokers": ", ".join(brokers), "routes": ",\n".join(routes)}


def caller(listen, service, broker, routes):
    return caller_of(listen, service, [RABBIT % broker], routes)


def subscription(name, queue, service, concurrency=32, timeout="4s", more=""):
    return SUBSCRIPTION % {"name": name, "queue": queue, "service": service, "concurrency": concurrency,
                           "timeout": timeout, "more": more}


def callee_of(brokers, subscriptions):
    return CALLEE % {"brokers": ", ".join(brokers), "subscriptions": ",\n".join(subscriptions)}


def callee(broker, subscriptions):
    return callee_of([RABBIT % broker], subscriptions)
