//! Every mistake of the file, each as one line; and what a file without one becomes.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use payout_adapters::provider::simulated::SimulatedProcessor;
use payout_core::money::Money;
use payout_core::payout::{PaymentDetails, Recipient, RecipientAccount, RecipientName, RecipientType};
use payout_core::ports::MockProcessor;

use super::*;

/// A folder of the test's own, with the secrets that its file names.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(payout_core::contract::build::unique("payout-providers"));
        std::fs::create_dir(&path).unwrap();
        let folder = Self(path);
        folder.write("secret", "hunter2\n", 0o600);
        folder.write("blank", " \n", 0o600);
        folder.write("open", "hunter2\n", 0o644);
        folder
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self, text: &str) -> Result<ProvidersFile, ConfigError> {
        self.write("providers.toml", text, 0o644);
        super::read(&self.0.join("providers.toml"), &kinds(), Duration::from_secs(5))
    }

    /// Returns the line of the mistake, without the folder.
    fn mistake(&self, text: &str) -> String {
        let line = self.read(text).unwrap_err().to_string();
        assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
        let folder = format!("PAYOUT_PROVIDERS_FILE: {}/", self.0.display());
        line.strip_prefix(&folder)
            .unwrap_or_else(|| panic!("{line}"))
            .to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A kind that pays everything, and one that pays euro to an IBAN alone and remembers a key for a day.
fn kinds() -> Vec<ProviderKind> {
    vec![
        ProviderKind::new("any", &["token_file", "url"], |settings| {
            let (_, _) = (settings.url("url")?, settings.secret("token_file")?);
            Ok(Arc::new(SimulatedProcessor::new(Duration::ZERO, 0.0).unwrap()))
        }),
        ProviderKind::new("narrow", &["account", "key_file"], |settings| {
            settings.required_text("account")?;
            settings.required_secret("key_file")?;
            let mut processor = MockProcessor::new();
            processor.expect_capabilities().returning(|| Capabilities {
                currencies: Some(vec!["EUR".parse().unwrap()]),
                recipients: Some(vec![RecipientType::Iban]),
                key_window: Some(Duration::from_secs(24 * 60 * 60)),
                ..Capabilities::default()
            });
            Ok(Arc::new(processor))
        }),
    ]
}

const TWO: &str = "[providers.a]\nkind = \"any\"\n[providers.b]\nkind = \"any\"\n";
const NARROW: &str = "[providers.n]\nkind = \"narrow\"\naccount = \"x\"\nkey_file = \"secret\"\n";
const TO_A: &str = "[[routes]]\nuse = [\"a\"]\n";

#[test]
fn a_mistake_about_a_provider_is_one_line_that_says_where() {
    let folder = Folder::new();
    for (text, line) in [
        (
            "[providers.a]\nkind = \"anny\"\n",
            "providers.toml:2: providers.a.kind: \"anny\" is not a kind; is \"any\" meant? There are any or narrow",
        ),
        (
            "[providers.a]\nkind = \"bank\"\n",
            "providers.toml:2: providers.a.kind: \"bank\" is not a kind: use any or narrow",
        ),
        (
            "\n[providers.a]\n",
            "providers.toml:2: providers.a.kind: is missing: use any or narrow",
        ),
        (
            "[providers.a]\nkind = 7\n",
            "providers.toml:2: providers.a.kind: is not a text between quotation marks",
        ),
        (
            "[providers.a]\nkind = \"any\"\ntoken = \"hunter2\"\n",
            "providers.toml:3: providers.a.token: is not a key here; is token_file meant?",
        ),
        (
            "[providers.a]\nkind = \"any\"\naccount = \"x\"\n",
            "providers.toml:3: providers.a.account: is not a key here: use adopt_unnamed, call_timeout_ms, \
             calls_per_second, concurrent_calls, key_window_hours, kind, poll_interval_ms, return_window_seconds, \
             token_file or url",
        ),
        (
            "[providers.A]\nkind = \"any\"\n",
            "providers.toml:1: providers.A: use 1 to 40 lower-case letters, digits and dashes, starting with a letter \
             or a digit",
        ),
        (
            "providers.a = 1\n",
            "providers.toml:1: providers.a: is not a table",
        ),
        (
            "[providers.a]\nkind = \"any\"\nurl = \"ftp://x\"\n",
            "providers.toml:3: providers.a.url: use http:// or https://, without user, query and fragment",
        ),
        (
            "[providers.n]\nkind = \"narrow\"\nkey_file = \"secret\"\n",
            "providers.toml:1: providers.n.account: is missing",
        ),
        (
            "[providers.n]\nkind = \"narrow\"\naccount = \" \"\n",
            "providers.toml:3: providers.n.account: is empty",
        ),
        (
            "[providers.a]\nkind = \"any\"\ncalls_per_second = 0\n",
            "providers.toml:3: providers.a.calls_per_second: is not a whole number from 1 to 100000",
        ),
        (
            "[providers.a]\nkind = \"any\"\nconcurrent_calls = 1.5\n",
            "providers.toml:3: providers.a.concurrent_calls: is not a whole number from 1 to 100000",
        ),
        (
            "[providers.a]\nkind = \"any\"\ncall_timeout_ms = 5001\n",
            "providers.toml:3: providers.a.call_timeout_ms: is more than a third of PAYOUT_LEASE_MS (5000 ms): a call \
             could outlive its lease",
        ),
        (
            "[providers.a]\nkind = \"any\"\ncall_timeout_ms = 0\n",
            "providers.toml:3: providers.a.call_timeout_ms: is not a whole number from 1 to 86400000",
        ),
        (
            "[providers.a]\nkind = \"any\"\nadopt_unnamed = \"yes\"\n",
            "providers.toml:3: providers.a.adopt_unnamed: is not true or false",
        ),
        (
            "[providers.a]\nkind = \"any\"\nadopt_unnamed = true\n[providers.b]\nkind = \"any\"\nadopt_unnamed = true\n",
            "providers.toml:6: providers.b.adopt_unnamed: a (any) has it too: what was sent before this file was used \
             belongs to one provider",
        ),
        (
            "[providers.a]\nkind = \"any\"\n[providers.a]\n",
            "providers.toml:3: is not TOML: duplicate key",
        ),
    ] {
        assert_eq!(folder.mistake(text), line, "{text}");
    }
}

#[test]
fn a_provider_may_forget_a_key_sooner_than_its_kind_says_and_not_later() {
    let folder = Folder::new();
    let route = "[[routes]]\nuse = [\"n\"]\n";
    let later = folder.mistake(&format!("{NARROW}key_window_hours = 25\n{route}"));
    assert_eq!(
        later,
        "providers.toml:5: providers.n.key_window_hours: is more than the 24 hours for which a provider of this kind \
         remembers a key"
    );
    let sooner = folder
        .read(&format!("{NARROW}key_window_hours = 23\n{route}"))
        .unwrap();
    let window = sooner.providers[0].settings.key_window;
    assert_eq!(window, Some(Duration::from_secs(23 * 60 * 60)));
}

#[test]
fn a_secret_is_in_a_file_that_nobody_else_can_open() {
    let folder = Folder::new();
    for (file, line) in [
        (
            "open",
            "other users can open the file that it names (its mode is 644): chmod 600",
        ),
        ("blank", "the file that it names is empty"),
        ("hunter2", "cannot read the file that it names: entity not found"),
        (".", "cannot read the file that it names: is a directory"),
    ] {
        let text = format!("[providers.a]\nkind = \"any\"\ntoken_file = \"{file}\"\n{TO_A}");
        let expected = format!("providers.toml:3: providers.a.token_file: {line}");
        assert_eq!(folder.mistake(&text), expected, "{file}");
    }
    let text = format!("[providers.a]\nkind = \"any\"\ntoken_file = \"secret\"\n{TO_A}");
    assert!(folder.read(&text).is_ok(), "beside the file itself");
    let absolute = folder.0.join("secret");
    let text = format!("[providers.a]\nkind = \"any\"\ntoken_file = {absolute:?}\n{TO_A}");
    assert!(folder.read(&text).is_ok(), "anywhere");
}

#[test]
fn a_mistake_about_a_route_is_one_line_that_says_where() {
    let folder = Folder::new();
    for (routes, line) in [
        (
            "",
            "1: routes: there is none: no payout could be made; add [[routes]]",
        ),
        ("routes = []", "5: providers.b.routes: is not a key here"),
        ("[routes]", "5: routes: is not a list: use […]"),
        (
            "[[routes]]\n",
            "5: routes[1].use: is missing: list the providers, in the order in which they are tried",
        ),
        ("[[routes]]\nuse = []\n", "6: routes[1].use: is an empty list"),
        (
            "[[routes]]\nuse = \"a\"\n",
            "6: routes[1].use: is not a list: use […]",
        ),
        (
            "[[routes]]\nuse = [\"a\",\n  \"c\"]\n",
            "7: routes[1].use: there is no provider \"c\": use a or b",
        ),
        (
            "[[routes]]\nuse = [\"a\", \"b\", \"a\"]\n",
            "6: routes[1].use: \"a\" is listed twice",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwen = {}\n",
            "7: routes[1].wen: is not a key here; is when meant?",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { currencies = [\"EUR\"] }\n",
            "7: routes[1].when.currencies: is not a key here; is currency meant?",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { currency = [\"EUR\", \"EURO\"] }\n",
            "7: routes[1].when.currency: \"EURO\" is not the ISO 4217 code of a currency that payouts can be made in",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { currency = [] }\n",
            "7: routes[1].when.currency: is an empty list",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { recipient = [\"ibn\"] }\n",
            "7: routes[1].when.recipient: \"ibn\" is not a type of recipient: use account, iban, us_bank, gb_bank, \
             email, phone or provider_account",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { below = 10.5 }\n",
            "7: routes[1].when.below: is not an amount: use a text such as \"5000.50\"",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { below = \"0\" }\n",
            "7: routes[1].when.below: \"0\" is not an amount above zero, such as \"5000.50\"",
        ),
        (
            "[[routes]]\nuse = [\"a\"]\nwhen = { from = \"10\", below = \"10.0\" }\n",
            "7: routes[1].when.below: 10 is not more than `from` (10): the route can never match",
        ),
    ] {
        let found = folder.mistake(&format!("{TWO}{routes}"));
        let expected = format!("providers.toml:{line}");
        assert!(found.starts_with(&expected), "{routes}\n{found}\n{expected}");
    }
    assert_eq!(
        folder.mistake(TO_A),
        "providers.toml:1: providers: there is none: add [providers.NAME]"
    );
    assert_eq!(
        folder.mistake("route = []\n"),
        "providers.toml:1: route: is not a key here; is routes meant?"
    );
}

#[test]
fn a_route_that_can_never_match_is_refused_and_one_that_can_is_not() {
    let folder = Folder::new();
    let of_currency = |currencies: &str, rest: &str| {
        format!("[[routes]]\nwhen = {{ currency = [{currencies}]{rest} }}\nuse = [\"a\"]\n")
    };
    let euro = of_currency("\"EUR\"", "");
    let low = of_currency("\"EUR\"", ", below = 100");
    let high = of_currency("\"EUR\"", ", from = \"100.00\"");
    let middle = of_currency("\"EUR\"", ", from = 50, below = 200");
    let highest = of_currency("\"EUR\"", ", from = \"100.01\"");
    let iban = of_currency("\"EUR\"", ", recipient = [\"iban\"]");
    let both = of_currency("\"EUR\", \"USD\"", "");
    let all = "[[routes]]\nuse = [\"b\"]\n";
    for (routes, refused) in [
        ([all, all, ""], Some((7, "line 5"))),
        ([all, euro.as_str(), ""], Some((7, "line 5"))),
        ([&euro, &low, ""], Some((8, "line 5"))),
        ([&low, &high, &middle], Some((11, "line 5, 8"))),
        ([&both, &iban, ""], Some((8, "line 5"))),
        ([&euro, all, ""], None),
        ([&low, &highest, &middle], None),
        ([&low, &middle, &high], None),
        ([&iban, &euro, &both], None),
    ] {
        let text = format!("{TWO}{}", routes.concat());
        match refused {
            Some((line, earlier)) => {
                let found = folder.mistake(&text);
                assert!(
                    found.starts_with(&format!("providers.toml:{line}: routes[")),
                    "{found}\n{text}"
                );
                assert!(
                    found.ends_with(&format!("matches a route before it ({earlier})")),
                    "{found}\n{text}"
                );
            }
            None => assert!(folder.read(&text).is_ok(), "{text}"),
        }
    }
}

#[test]
fn a_route_whose_providers_cannot_pay_what_reaches_it_is_refused() {
    let folder = Folder::new();
    let route = |when: &str, names: &str| format!("[[routes]]\nwhen = {{ {when} }}\nuse = [{names}]\n");
    let dollars = route("currency = [\"USD\"]", "\"n\"");
    let phones = route("recipient = [\"phone\"]", "\"n\"");
    for routes in [&dollars, &phones] {
        let found = folder.mistake(&format!("{NARROW}{routes}"));
        assert!(
            found.starts_with("providers.toml:7: routes[1].use: can never pay: none of these providers pays"),
            "{found}"
        );
    }
    // Another provider can pay, and so can the only one some of the payments.
    for routes in [
        route("currency = [\"USD\"]", "\"n\", \"a\""),
        route("currency = [\"USD\", \"EUR\"]", "\"n\""),
    ] {
        let text = format!("[providers.a]\nkind = \"any\"\n{NARROW}{routes}");
        assert!(folder.read(&text).is_ok(), "{routes}");
    }
    // The payments that it could make are taken by the route before.
    let euro = route("currency = [\"EUR\"]", "\"a\"");
    let rest = "[[routes]]\nuse = [\"n\"]\n";
    let found = folder.mistake(&format!("[providers.a]\nkind = \"any\"\n{NARROW}{euro}{rest}"));
    assert!(
        found.starts_with("providers.toml:11: routes[2].use: can never pay"),
        "{found}"
    );
}

#[test]
fn a_provider_that_no_route_uses_is_a_warning() {
    let folder = Folder::new();
    let file = folder.read(&format!("{TWO}{TO_A}")).unwrap();
    assert_eq!(
        file.warnings,
        ["no route uses the provider b: it gets no new payouts"]
    );
    let file = folder
        .read(&format!("{TWO}[[routes]]\nuse = [\"b\", \"a\"]\n"))
        .unwrap();
    assert!(file.warnings.is_empty());
}

#[test]
fn the_operators_limits_are_the_providers_settings() {
    let folder = Folder::new();
    let limits = "calls_per_second = 7\nconcurrent_calls = 3\ncall_timeout_ms = 5000\nadopt_unnamed = true\n\
                  poll_interval_ms = 250\nreturn_window_seconds = 90\n";
    let file = folder
        .read(&format!("{NARROW}{limits}[[routes]]\nuse = [\"n\"]\n"))
        .unwrap();
    let [provider] = file.providers.as_slice() else {
        panic!("{file:?}")
    };
    let expected = ProviderLimits {
        concurrent_calls: Some(3),
        calls_per_second: Some(7),
        call_timeout: Some(Duration::from_secs(5)),
        key_window: None,
        poll_interval: Some(Duration::from_millis(250)),
        return_window: Some(Duration::from_secs(90)),
        adopts_unnamed: true,
    };
    assert_eq!(provider.settings, expected);
    assert_eq!(provider.to_string(), "n (narrow)");
}

#[test]
fn the_first_route_that_matches_decides_and_its_order_is_kept() {
    let folder = Folder::new();
    let text = format!(
        "{TWO}[[routes]]\nwhen = {{ currency = [\"eur\"], from = \"10\", below = 20 }}\nuse = [\"b\", \"a\"]\n{TO_A}"
    );
    let routes = folder.read(&text).unwrap().routes;
    for (amount, currency, names) in [
        ("9.99", "EUR", &["a"][..]),
        ("10", "EUR", &["b", "a"]),
        ("19.99", "EUR", &["b", "a"]),
        ("20", "EUR", &["a"]),
        ("10", "USD", &["a"]),
    ] {
        let money = Money::new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap();
        let recipient = Recipient::new(
            RecipientAccount::new("x").unwrap(),
            RecipientName::new("Ada").unwrap(),
        );
        let details = PaymentDetails::new(money, recipient);
        let found = routes.of(&details).unwrap();
        assert!(
            found.iter().map(|name| name.as_str()).eq(names.iter().copied()),
            "{money}: {found:?}"
        );
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_by_the_line() {
    let folder = Folder::new();
    let path = folder.0.join("providers.toml");
    std::fs::write(&path, b"[providers.a]\nkind = \"\xff\"\n").unwrap();
    let line = super::read(&path, &kinds(), Duration::from_secs(5)).unwrap_err();
    let expected = format!("PAYOUT_PROVIDERS_FILE: {}:2: is not UTF-8 text", path.display());
    assert_eq!(line.to_string(), expected);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let line = super::read(Path::new("/nowhere/p.toml"), &kinds(), Duration::from_secs(5)).unwrap_err();
    assert_eq!(
        line.to_string(),
        "PAYOUT_PROVIDERS_FILE: cannot read /nowhere/p.toml: entity not found"
    );
}

#[test]
fn a_kind_of_the_program_replaces_one_of_the_same_name() {
    let folder = Folder::new();
    folder.write(
        "providers.toml",
        &format!("[providers.a]\nkind = \"any\"\nown = \"x\"\n{TO_A}"),
        0o644,
    );
    let mut kinds = kinds();
    kinds.push(ProviderKind::new("any", &["own"], |settings| {
        settings.required_text("own")?;
        Ok(Arc::new(SimulatedProcessor::new(Duration::ZERO, 0.0).unwrap()))
    }));
    let read = super::read(&folder.0.join("providers.toml"), &kinds, Duration::from_secs(5));
    assert!(read.is_ok(), "{read:?}");
}
