"""The SQL connections to members: what is shared by all of them."""

from __future__ import annotations

from galera_operator.adapters.sql import SqlConnection


def test_one_tls_context_serves_all_connections():
    one, other = (SqlConnection(host="127.0.0.1", defer_connect=True) for _ in range(2))
    assert one.ssl
    assert one.ctx is other.ctx
