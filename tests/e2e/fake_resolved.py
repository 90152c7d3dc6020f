# SPDX-License-Identifier: GPL-3.0-or-later
"""The three calls of org.freedesktop.resolve1 that the client makes, each printed as one line.

The argument makes it refuse calls to that method.
"""

import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

MANAGER = "org.freedesktop.resolve1.Manager"
REFUSED = sys.argv[1] if len(sys.argv) > 1 else None


def told(method, *arguments):
    print(method, *arguments, flush=True)
    if method == REFUSED:
        raise dbus.DBusException("not in the mood", name="org.freedesktop.resolve1.NoSuchLink")


class Manager(dbus.service.Object):
    @dbus.service.method(MANAGER, in_signature="ia(iay)")
    def SetLinkDNS(self, index, servers):
        told("SetLinkDNS", int(index),
             [(int(family), ".".join(str(int(byte)) for byte in ip)) for family, ip in servers])

    @dbus.service.method(MANAGER, in_signature="ia(sb)")
    def SetLinkDomains(self, index, domains):
        told("SetLinkDomains", int(index), [(str(name), bool(only)) for name, only in domains])

    @dbus.service.method(MANAGER, in_signature="i")
    def RevertLink(self, index):
        told("RevertLink", int(index))


DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
name = dbus.service.BusName("org.freedesktop.resolve1", bus)
manager = Manager(bus, "/org/freedesktop/resolve1")
print("ready", flush=True)
GLib.MainLoop().run()
