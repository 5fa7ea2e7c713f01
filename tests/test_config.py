"""What a configuration comes to: who counts over whom, and every problem at once, without a secret in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from tieout.config import AccountConfig, Config, load
from tieout.config.environment import NAMES
from tieout.config.nouns import BROKER_KINDS, LOCAL_KINDS, BrokerCcxt, BrokerSimulated, LocalFile
from tieout.config.profiles import HOLDINGS, PROFILES
from tieout.config.reading import of_profile
from tieout.decide.policy import CRITICAL, MODERATE, Facts, Policy, S, judge
from tieout.errors import BadInput
from tieout.model.discrepancy import DOUBTS, CauseCode, Difference, DiscrepancyType, Domain, Key, Severity
from tieout.model.settings import AssetSettings
from tieout.serve.profiles import profile_rows
from tieout.serve.template import render_template

SECRET = "hunter2-OF-NOBODY"


def loaded(tmp_path: Path, text: str, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration that *text* is, in an environment of its own."""
    path = tmp_path / "tieout.toml"
    path.write_text(text, "utf-8")
    return load(path, None, environment or {})


def problems(tmp_path: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with it, one sentence each."""
    with pytest.raises(BadInput) as failure:
        loaded(tmp_path, text, environment)
    return [str(problem).replace(str(tmp_path) + "/", "") for problem in failure.value.problems]


# --- who counts over whom


def test_the_promised_names_win_over_everything(tmp_path: Path) -> None:
    """Each name counts over the file, a profile and an account's own table."""
    environment = {
        "RECONCILIATION_ENABLED": "false",
        "RECONCILIATION_INTERVAL_SECONDS": "7",
        "RECONCILIATION_THRESHOLD_USD": "2.50",
        "RECONCILIATION_RETRY_COUNT": "0",
        "RECONCILIATION_TIMEOUT_SECONDS": " 9 ",
    }
    text = """
        profile = "permissive"
        [settings]
        threshold_usd = 5
        [reconciliation]
        enabled = true
        interval_seconds = 60
        [accounts.main]
        threshold_usd = 4
        [accounts.main.reconciliation]
        retry_count = 9
        timeout_seconds = 8
    """
    assert environment.keys() == NAMES.keys()
    config = loaded(tmp_path, text, environment)
    for told in (config.general, config.account("main"), config.account("another")):
        paced = told.reconciliation
        assert (paced.enabled, paced.interval_seconds, paced.retry_count, paced.timeout_seconds) == (False, 7, 0, 9)
        assert told.settings.threshold_usd == Decimal("2.50")


@pytest.mark.parametrize(("text", "value"), [
    ("true", True), ("1", True), ("YES", True), ("on", True), ("false", False), ("0", False), ("No", False), ("off", False),
    ("", True),
])  # fmt: skip
def test_a_truth_is_written_as_people_write_it(tmp_path: Path, text: str, value: bool) -> None:
    """The usual words for yes and no; a name that is set to nothing says nothing."""
    found = loaded(tmp_path, "", {"RECONCILIATION_ENABLED": text}).general.reconciliation.enabled
    assert found is value


def test_a_file_counts_over_its_profile_and_an_account_over_the_file(tmp_path: Path) -> None:
    """Default, profile, file, the account's table: each counts over what stands before it."""
    config = loaded(tmp_path, """
        profile = "conservative"
        [settings]
        threshold_usd = 3
        [policy]
        four_eyes = false
        [accounts.a]
        rounding_usd = 2
        [accounts.b]
        profile = "permissive"
        [accounts.b.policy]
        dust_usd = 6
        [accounts.c]
        profile = "balanced"
    """)  # fmt: skip
    general, a, b = config.general, config.account("a"), config.account("b")
    assert (general.profile, general.settings.threshold_usd, general.settings.rounding_usd) == (
        "conservative", Decimal(3), Decimal(1),
    )  # fmt: skip
    assert (general.policy.four_eyes, general.reconciliation.interval_seconds) == (False, 60)
    assert (a.profile, a.settings.threshold_usd, a.settings.rounding_usd) == ("conservative", Decimal(3), Decimal(2))
    assert (b.profile, b.settings.threshold_usd, b.policy.dust_usd) == ("permissive", Decimal(3), Decimal(6))
    assert (b.settings.critical_above_percent, b.policy.four_eyes, b.policy.rules) == (Decimal(10), False, ())


def test_an_account_that_says_balanced_is_balanced(tmp_path: Path) -> None:
    """An account's own profile takes the place of the general one: nothing of that is left in it."""
    config = loaded(tmp_path, 'profile = "permissive"\n[accounts.c]\nprofile = "balanced"\n')
    assert config.account("c") == AccountConfig()


def test_rules_come_in_the_order_of_their_nearness(tmp_path: Path) -> None:
    """An account's rules are tried first, then the file's, then the profile's, then the default table."""
    config = loaded(tmp_path, """
        profile = "conservative"
        [[policy.rules]]
        strategy = "WARN_ONLY"
        reason = "general"
        [[accounts.main.policy.rules]]
        strategy = "HALT_AND_ALERT"
        reason = "own"
    """)  # fmt: skip
    reasons = [rule.reason for rule in config.account("main").policy.table()]
    assert reasons[:3] == ["own", "general", "follows_from_others"]
    assert reasons[-1] == "unexplained"


def test_a_policy_given_apart_holds_for_every_account(tmp_path: Path) -> None:
    """Who tries another policy tries it on all accounts: their own ones step back."""
    config, policy = tmp_path / "tieout.toml", tmp_path / "policy.toml"
    config.write_text("[policy]\ndust_usd = 2\n[accounts.main.policy]\ndust_usd = 3\n")
    policy.write_text("[policy]\ndust_usd = 4\n")
    assert load(config, policy, {}).account("main").policy.dust_usd == 4
    assert load(config, None, {}).account("main").policy.dust_usd == 3


# --- profiles


def test_balanced_is_the_contract() -> None:
    """The default profile changes nothing at all."""
    assert of_profile("balanced") == AccountConfig()


@pytest.mark.parametrize("name", PROFILES)
def test_what_a_profile_sets_is_what_comes_out(name: str) -> None:
    """Every figure of a profile reaches the settings; none is misspelt, and none says what the default says anyway."""
    built, default, profile = of_profile(name), AccountConfig(), PROFILES[name]
    for table in ("settings", "policy", "reconciliation"):
        for setting, value in getattr(profile, table).items():
            assert getattr(getattr(built, table), setting) == value
            assert getattr(getattr(default, table), setting) != value


def test_the_profiles_go_from_strict_to_lenient() -> None:
    """In every figure in which they differ, conservative, balanced and permissive stand in that order."""
    for setting, *values in profile_rows():
        if all(re.fullmatch(r"[\d.]+", value) for value in values):
            numbers = [Decimal(value) for value in values]
            assert numbers in (sorted(numbers), sorted(numbers, reverse=True)), setting


def facts(code: str, severity: Severity, *, fully: bool, domain: Domain = "position", usd: str = "500") -> Facts:
    """A break as a rule sees it."""
    difference = Difference(
        key=Key(domain, "X"), type=DiscrepancyType.QUANTITY_MISMATCH, local_amount=Decimal(100),
        broker_amount=Decimal(103), difference=Decimal(3), percent=Decimal(3), usd_value=Decimal(usd),
        severity=severity, within_tolerance=False,
    )  # fmt: skip
    return Facts(difference, code, frozenset((code,)), fully, severity)


def strategy(name: str, seen: Facts) -> S:
    """What a profile's policy picks."""
    return judge(seen, of_profile(name).policy.table()).strategy


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_acts_on_doubt_or_lets_a_liquidation_pass(name: str) -> None:
    """Whatever the severity and the domain: doubts warn, a liquidation halts, and nothing is sent to the broker."""
    for severity, fully, domain in product(Severity, (True, False), HOLDINGS):
        for code in DOUBTS:
            assert strategy(name, facts(code, severity, fully=fully, domain=domain)) is S.WARN_ONLY
        assert strategy(name, facts("LIQUIDATION", severity, fully=fully, domain=domain)) is S.HALT_AND_ALERT
    assert S.SYNC_TO_LOCAL not in {rule.strategy for rule in of_profile(name).policy.table()}


def test_no_profile_is_laxer_than_the_one_after_it() -> None:
    """For every cause, severity, worth and domain: conservative is at least as strict as balanced, and that as permissive."""
    tables = [of_profile(name).policy.table() for name in ("conservative", "balanced", "permissive")]
    codes = [*CauseCode, "WRONG_FILL_PRICE", "WRONG_FILL_QUANTITY", "LOST_ORDER"]
    domains: tuple[Domain, ...] = ("position", "balance", "order", "fill")
    for code, severity, fully, domain, usd in product(codes, Severity, (True, False), domains, ("0.5", "5", "500")):
        seen = facts(code, severity, fully=fully, domain=domain, usd=usd)
        strictness = [judge(seen, table).strictness for table in tables]
        assert strictness == sorted(strictness, reverse=True), (code, severity, fully, domain, usd)


def test_the_conservative_profile_stops_for_what_others_do_and_nobody_explains() -> None:
    """From MODERATE on it halts; what the broker's own records explain heals, and orders and fills keep their own rules."""
    for severity in (*MODERATE, *CRITICAL):
        assert strategy("conservative", facts("EXTERNAL_TRADE", severity, fully=True)) is S.HALT_AND_ALERT
        assert strategy("conservative", facts("UNKNOWN", severity, fully=False, usd="0.01")) is S.HALT_AND_ALERT
        assert strategy("conservative", facts("MISSED_FILL", severity, fully=True)) is S.SYNC_TO_BROKER
        assert strategy("conservative", facts("EXTERNAL_ORDER", severity, fully=True, domain="order")) is S.WARN_ONLY
        assert strategy("conservative", facts("EXTERNAL_TRADE", severity, fully=True, domain="fill")) is S.WARN_ONLY
    assert strategy("conservative", facts("UNKNOWN", Severity.MINOR, fully=False)) is S.WARN_ONLY


# --- problems


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Each with the file or the environment, the place, what is wrong and how to mend it; nothing hides behind another."""
    environment = dict.fromkeys(
        ("RECONCILIATION_TIMEOUT_SECONDS", "RECONCILIATION_TRESHOLD_USD", "RECONCILIATION_NOTES"), "x"
    )
    found = problems(tmp_path, """
        profile = "balancd"
        [settings]
        treshold_usd = 1
        critical_above_percent = "0.5"
        dust = 1
        [reconciliation]
        interval_seconds = 0
        retry_count = 2.5
        [policy]
        halt_scope = "planet"
        changes_per_hour = -1
        [accounts.a.local]
        kind = "fil"
        [accounts.b.local]
        kind = "file"
        [accounts.b.broker]
        kind = "simulated"
        url = "ftp://nowhere"
        [accounts.c.broker]
        path = "broker.json"
        [accounts]
        d = 1
    """, environment)  # fmt: skip
    places = {sentence.split(": ")[1] for sentence in found}
    assert places == {
        "profile", "settings", "settings.treshold_usd", "settings.dust", "reconciliation.interval_seconds",
        "reconciliation.retry_count", "policy.halt_scope", "policy.changes_per_hour", "accounts.a.local.kind",
        "accounts.a.broker", "accounts.b.local.path", "accounts.b.broker.url", "accounts.c.local",
        "accounts.c.broker.kind", "accounts.d", "RECONCILIATION_TIMEOUT_SECONDS", "RECONCILIATION_TRESHOLD_USD",
    }  # fmt: skip
    assert all(re.match(r"(tieout\.toml|environment): [^;]+; .+", sentence) for sentence in found)
    assert any("did you mean RECONCILIATION_THRESHOLD_USD?" in sentence for sentence in found)
    assert any("did you mean balanced?" in sentence for sentence in found)
    assert any("did you mean file?" in sentence for sentence in found)


@pytest.mark.parametrize("line", [
    f'api_key = "{SECRET}"', f'apiKey = "{SECRET}"', f'secret = "{SECRET}"', f'password = "{SECRET}"',
    f'secret_env = "{SECRET}"',
    f'api_key_env = ["{SECRET}"]', f'assets = "{SECRET}"', f'sandbox = "{SECRET}"', f'accept_gaps = ["{SECRET}"]',
    f'exchange = {{ x = "{SECRET}" }}', f'password_file = ["{SECRET}"]',
])  # fmt: skip
def test_a_secret_is_never_repeated(tmp_path: Path, line: str) -> None:
    """Wherever it was pasted to: the problem names the place, and not what stands there."""
    sides = '[accounts.main.local]\nkind = "file"\npath = "x"\n[accounts.main.broker]\nkind = "ccxt"\n'
    exchange = "" if line.startswith("exchange") else 'exchange = "binance"\n'
    found = problems(tmp_path, sides + exchange + line)
    assert len(found) == 1
    assert "accounts.main.broker." in found[0]
    assert SECRET not in found[0]
    if line.startswith(("api_key =", "secret =", "password =")):
        assert f"write {line.split()[0]}_env = the name of the environment variable" in found[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_value_in_the_environment_is_not_repeated(tmp_path: Path, name: str) -> None:
    """It is named by its name alone."""
    found = problems(tmp_path, "", {name: SECRET})
    assert len(found) == 1
    assert found[0].startswith(f"environment: {name}: ")
    assert SECRET not in found[0]


def test_sides_are_read_by_their_kind(tmp_path: Path) -> None:
    """What stands in the tables is what the account is given, with the defaults of its kind."""
    config = loaded(tmp_path, """
        [accounts.a.local]
        kind = "file"
        path = "a.json"
        max_age_seconds = ""
        [accounts.a.broker]
        kind = "simulated"
        url = "http://127.0.0.1:8080"
        [accounts.b.local]
        kind = "file"
        path = "b.json"
        writable = true
        [accounts.b.broker]
        kind = "ccxt"
        exchange = "okx"
        api_key_env = "OKX_KEY"
        sandbox = true
        [accounts.c]
        threshold_usd = 1
    """)  # fmt: skip
    assert config.account("a").local == LocalFile("a.json", max_age_seconds=None)
    assert config.account("a").broker == BrokerSimulated("http://127.0.0.1:8080")
    assert config.account("b").local == LocalFile("b.json", writable=True, max_age_seconds=900)
    assert config.account("b").broker == BrokerCcxt("okx", api_key_env="OKX_KEY", sandbox=True)
    assert (config.account("c").local, config.account("c").broker) == (None, None)


# --- the template


def test_the_template_says_the_defaults(tmp_path: Path) -> None:
    """The written file loads as if there were none, and so does what stands in its general tables once it is uncommented."""
    assert loaded(tmp_path, render_template()).general == AccountConfig()
    general, _, rest = render_template().partition("# An account, and what holds")
    settings = re.compile(r"^# ((?:profile|[a-z_]+) = .*)$", re.MULTILINE)
    whole = settings.sub(r"\1", general.replace('# BTC = "0.5"', "").replace('# exclude = ["XYZ"]', ""))
    # Tables of assets and of what is set aside stay comments; what stands below them would belong to [settings].
    whole = re.sub(
        rf"^(include|{'|'.join(AssetSettings.__struct_fields__)}) = .*$",
        "",
        whole,
        flags=re.MULTILINE,
    )
    assert loaded(tmp_path, whole).general == AccountConfig()
    assert "[policy]" in rest


def test_the_template_shows_every_kind_of_side(tmp_path: Path) -> None:
    """Each example of a side is one, once the marks are taken away."""
    text = render_template().partition("# An account, and what holds")[2].partition("[limits]")[0]
    blocks = re.findall(r"# (\[accounts\.main\.(?:local|broker)\]\n(?:# .*\n)+)", text)
    assert len(blocks) == len(LOCAL_KINDS) + len(BROKER_KINDS)
    local = next(block for block in blocks if ".local]" in block and '"file"' in block)
    for block in blocks:
        if ".broker]" in block:
            kept = [
                line.removeprefix("# ") for line in (local + block).splitlines() if re.match(r"\[|# [a-z_]+ = ", line)
            ]
            built = loaded(tmp_path, "\n".join(kept)).account("main")
            assert built.local == LocalFile("snapshot.json")
            assert built.broker is not None


def test_the_policy_of_a_configuration_without_one_is_the_default(tmp_path: Path) -> None:
    """An empty file is the contract's policy."""
    assert loaded(tmp_path, "").general.policy == Policy()
