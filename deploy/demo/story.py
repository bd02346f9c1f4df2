"""How the demo speaks: calm lines, colour only on a terminal, and a loud end when something is not as told."""
import os
import sys

COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
STYLES = {"bold": "1", "dim": "2", "green": "32", "red": "31", "cyan": "36"}


class NotAsTold(Exception):
    """Something did not happen as the demo says."""


def paint(style, text):
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if COLOURED else text


def say(text=""):
    print(text, flush=True)


def act(number, title):
    say()
    say(paint("cyan", f"── act {number}: {title} ".ljust(98, "─")))


def chapter(text, remark):
    say()
    say(f"{paint('bold', text)}  {paint('dim', remark)}")
    say()


def fact(who, what, *more):
    """Who saw what; further lines stand under the first."""
    say(f"   {who:<15} {what}")
    for line in more:
        say(f"   {'':<15} {line}")


def expect(true, what):
    if not true:
        raise NotAsTold(what)
