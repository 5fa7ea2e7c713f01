"""What TWS tells, read by the unmodified ib_async over a socket: whole, exact, of this account, and named once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.brokers.ib.conftest import Office

from tieout.bootstrap import opened
from tieout.brokers.ib import parse
from tieout.brokers.loopback import tws_rows
from tieout.brokers.loopback.desk import Desk
from tieout.brokers.loopback.tws_wire import ALL_ORDERS, CASH, COMPLETED, EXECUTIONS, POSITIONS
from tieout.config import load
from tieout.errors import BadInput, SourceIncomplete, SourceMalformed, SourceRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Balance, Position, Snapshot
from tieout.observe.reading import Reach, read_broker

OPTION = "AAPL 270115C00200000"
OTHER = "61|3|DU7654321|76792991|TSLA|STK||0.0|||NASDAQ|USD|TSLA|NMS|500|196.77|"
EXECUTION = "11|9000|1|637533641|NQ|FUT|20261218|0.0||20|CME|USD|NQZ6|NQ|0001f4e5.58bbad52.01.{}|20261120 09:35:00{}|{}|CME|BOT|{}|5800.0|2126726143|100|0|1.0|5800.0|{}||0.0||1|"  # noqa: E501


async def test_positions_are_the_truth_of_this_account(office: Office) -> None:
    """Every row, digit by digit; an average price is that of one unit, and another account's rows are another's."""
    office.tws.more[POSITIONS] = [OTHER, OTHER.replace("DU7654321", "DU1").replace("|500|", "|0|")]
    rows = {row.asset: row for row in await office.connect().get_positions()}
    assert rows == {
        "AAPL": Position("AAPL", dec("3.25"), "net", dec("90.1"), None, "USD", None, "cash", quote="USD"),
        "ESZ6": Position("ESZ6", dec(-3), "net", dec("5800.25"), None, "USD", dec(50), "margin", quote="USD"),
        OPTION: Position(OPTION, dec(2), "net", dec("1.07"), None, "USD", dec(100), "cash", quote="USD"),
    }


async def test_cash_is_by_currency_to_the_last_digit(office: Office) -> None:
    """Eighteen decimals that no float holds; neither the base's sum, nor net worth, nor profit that is not realised."""
    truth = {row.currency: row.total for row in office.world.snapshot("DU1").balances or ()}
    assert await office.connect().get_balances() == (Balance("EUR", dec("-0.30")), Balance("USD", truth["USD"]))
    assert str(truth["USD"]).endswith("000001")


async def test_an_empty_account_is_empty(office: Office) -> None:
    """Only where every list came to its end; that of cash has at least the base's row."""
    office.world.add_account("DU2", currency="USD")
    office.tws.account = "DU2"
    broker = office.connect("DU2")
    assert (await broker.get_positions(), await broker.get_balances(), await broker.get_open_orders()) == ((), (), ())
    assert await broker.get_fills(office.today) == ()


async def test_a_tws_that_has_not_loaded_its_positions_is_not_flat(office: Office) -> None:
    """No row, and the end of the list, while the account's values tell of holdings: not known, until they tell of none."""
    office.world.add_account("DU2", currency="USD")
    office.tws.account = "DU2"
    broker = office.connect("DU2")
    office.tws.more[CASH] = ["73|1|1|DU2||StockMarketValue|1500.25|BASE||"]
    with pytest.raises(SourceIncomplete, match="tell of some"):
        await broker.get_positions()
    office.tws.more[CASH] = ["73|1|1|DU2||StockMarketValue|0.00|BASE||", "73|1|1|DU3||StockMarketValue|9|BASE||"]
    assert await broker.get_positions() == ()


async def test_orders_are_those_of_everybody(office: Office) -> None:
    """Ours, conditional ones, other clients' and people's; not another account's."""
    manual = "5|0|265598|MSFT|STK||0|?||SMART|USD|MSFT|NMS|SELL|7|LMT|500.5|0.0|DAY||{}||0||0|{}|0|0|0||"
    tail = (
        "x||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||0|0||0|None||0||||?|0|0||0|0||||||0|0|0|2147483647|2147483647"
    )
    office.tws.more[ALL_ORDERS] = [manual.format("DU1", 901) + tail, manual.format("DU7654321", 902) + tail,
                                   "3|0|PreSubmitted|2|5|1|901|0|0|0||0|"]  # fmt: skip
    rows = {row.name: row for row in await office.connect().get_open_orders()}
    assert rows.keys() == {"c-1", "c-2", "901"}
    assert (rows["c-1"].limit_price, rows["c-1"].stop_price, rows["c-1"].type) == (dec("50.5"), None, "limit")
    assert (rows["c-2"].limit_price, rows["c-2"].stop_price, rows["c-2"].type) == (None, dec(120), "stop")
    manual_order = rows["901"]
    assert (manual_order.side, manual_order.filled, manual_order.status) == ("sell", dec(2), "partially_filled")
    assert (manual_order.client_order_id, manual_order.broker_order_id) == (None, "901")


async def test_an_order_is_looked_up_live_and_ended(office: Office) -> None:
    """By either id; one that is neither live nor ended today is not known to be none."""
    broker = office.connect()
    live, ended = [await broker.get_order(client_order_id=name) for name in ("c-1", "c-3")]
    assert live is not None and ended is not None
    assert (live.status, ended.status) == ("open", "cancelled")
    assert await broker.get_order(broker_order_id=ended.broker_order_id) == ended
    with pytest.raises(SourceIncomplete, match="older"):
        await broker.get_order(client_order_id="c-never")


async def test_a_filled_order_that_filled_nothing_is_not_believed(office: Office) -> None:
    """TWS forgets what some completed orders filled: that is not known then, and not 0."""
    row = next(row for row in tws_rows.completed(Desk(office.world), "DU1", {}) if "|c-3|" in row)
    office.tws.more[COMPLETED] = [row.replace("Cancelled", "Filled").replace("c-3", "c-old")]
    found = await office.connect().get_order(client_order_id="c-old")
    assert found is not None
    assert (found.status, found.filled) == ("filled", None)


async def test_executions_and_what_was_paid_for_them(office: Office) -> None:
    """Each with its commission, which comes after the end of the list."""
    truth = {row.fill_id + ".01": row for row in office.world.snapshot("DU1").fills or ()}
    rows = await office.connect().get_fills(office.today)
    assert [row.fill_id for row in rows] == list(truth)
    for row in rows:
        true = truth[row.fill_id]
        assert (row.side, row.quantity, row.price, row.fee) == (true.side, true.quantity, true.price, true.fee)
        assert (row.at, row.fee_currency) == (true.at.replace(microsecond=0), "USD")
        assert row.asset == " ".join(true.asset.split())


async def test_what_was_paid_is_not_known_until_it_is_told(office: Office) -> None:
    """None, after a wait, never 0."""
    office.tws.commissions = False
    rows = await office.connect(linger=0).get_fills(office.today)
    assert [row.fee for row in rows] == [None, None, None]


async def test_a_correction_takes_the_place_of_what_it_corrects(office: Office) -> None:
    """Whatever the order in which they come."""
    first, second = (EXECUTION.format(part, " US/Eastern", "DU1", size, "c-9") for part, size in (("01", 1), ("02", 2)))
    other = EXECUTION.format("01", " US/Eastern", "DU7654321", 5, "")
    broker = office.connect(linger=0)
    for rows in ([first, second, other], [second, first]):
        office.tws.more[EXECUTIONS] = rows
        (found,) = [row for row in await broker.get_fills(office.today) if row.asset == "NQZ6"]
        assert (found.quantity, found.fill_id, found.client_order_id) == (dec(2), "0001f4e5.58bbad52.01.02", "c-9")
        assert found.at == datetime(2026, 11, 20, 14, 35, tzinfo=UTC)


async def test_executions_of_former_days_are_not_told(office: Office) -> None:
    """A second before midnight in New York: the day's rows, and no word that they are all."""
    with pytest.raises(SourceIncomplete, match="of the day only") as failure:
        await office.connect().get_fills(office.today - timedelta(seconds=1))
    assert len(failure.value.rows) == 3


async def test_a_time_without_a_zone_is_tws_own(office: Office) -> None:
    """Nobody's guess: where nobody says which zone TWS is set to, the execution is not believed."""
    office.tws.more[EXECUTIONS] = [EXECUTION.format("01", "", "DU1", 1, "")]
    with pytest.raises(SourceMalformed, match="zone"):
        await office.connect(linger=0).get_fills(office.today)
    for written in ("20261120 09:35:00", "20261120  09:35:00", "20261120-09:35:00"):
        assert parse.moment(written, ZoneInfo("Asia/Tokyo")) == datetime(2026, 11, 20, 0, 35, tzinfo=UTC)


async def test_two_instruments_of_one_name_are_refused(office: Office) -> None:
    """They could not be told apart any more."""
    office.tws.more[POSITIONS] = [OTHER.replace("DU7654321", "DU1").replace("TSLA", "AAPL")]
    with pytest.raises(SourceIncomplete, match="called alike"):
        await office.connect().get_positions()


async def test_the_whole_side_says_what_it_covers(office: Office) -> None:
    """As a reconciliation reads it: fills partial, for they are of a day; activities not fetched."""
    said = await read_broker("main", office.connect(), Reach())
    assert isinstance(said, Snapshot)
    assert [said.covers(name) for name in ("positions", "balances", "orders", "fills")] == ["complete"] * 3 + [
        "partial"
    ]
    assert (said.activities, len(said.fills or ())) == (None, 3)
    assert said.as_of == office.world.clock.now().replace(microsecond=0)


async def test_a_login_without_the_account_is_refused(office: Office) -> None:
    """Another account's rows are nobody's."""
    with pytest.raises(SourceRefused, match="does not hold the account"):
        await office.connect("DU9").get_positions()


async def test_cash_of_a_model_is_part_of_the_whole(office: Office) -> None:
    """Values of a model portfolio, and of another account, are not counted again."""
    office.tws.more[CASH] = ["73|1|1|DU1|Model|CashBalance|5|USD||", "73|1|1|DU2||CashBalance|7|USD||"]
    assert (await office.connect().get_balances())[1].total > 900000


async def test_a_configured_account_is_read(office: Office, tmp_path: Path) -> None:
    """Where TWS listens, the account's name there, our client's number and TWS's zone reach the adapter."""
    sides = '[accounts.main.local]\nkind = "file"\npath = "local.json"\n[accounts.main.broker]\nkind = "ib"\n'
    told = f'account = "DU1"\nport = {office.tws.port}\nclient_id = 5\nzone = "Asia/Tokyo"\n'
    (tmp_path / "tieout.toml").write_text(sides + told)
    async with opened(load(tmp_path / "tieout.toml", None, {}), environment={}) as running:
        assert len(await running.accounts["main"].broker.get_positions()) == 3
    (tmp_path / "tieout.toml").write_text(sides + told.replace("Asia/Tokyo", "Mars"))
    with pytest.raises(BadInput, match="zone"):
        async with opened(load(tmp_path / "tieout.toml", None, {}), environment={}):
            raise AssertionError
