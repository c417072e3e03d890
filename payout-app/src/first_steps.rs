//! Start-up messages for new users: whether payouts are simulated, where the documentation is, and a request that
//! works.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::own_ports::OWN;
use crate::settings::{Config, Database, LogFormat};
use crate::wiring::Ports;

/// Logs settings that are easily overlooked, one line each. If payouts are simulated and only this host can reach the
/// process, only the simulation is logged as a warning.
pub(crate) fn say(config: &Config, ports: &Ports, local_addr: Option<SocketAddr>) {
    let is_simulated = ports.is_simulated();
    if is_simulated {
        tracing::warn!(
            "the provider is simulated: payouts end as completed and NOBODY IS PAID; PAYOUT_PROCESSOR=http pays"
        );
    }
    let keeps = ports.repository_kind != OWN && !matches!(config.database, Database::Memory);
    if config.keyring.is_empty() && keeps {
        let line = "account numbers and names are stored in plain; PAYOUT_ENCRYPTION_KEYS has them encrypted (see README)";
        if is_simulated && config.bind.ip().is_loopback() {
            tracing::info!("{line}");
        } else {
            tracing::warn!("{line}");
        }
    }
    if let Some(address) = local_addr
        && config.api.console
    {
        tracing::info!("the console, for people: {}/console/", base(address));
    }
    if let Some(address) = local_addr
        && config.api.docs
    {
        tracing::info!(
            "documentation, to read and to try out: {}/api/docs/",
            base(address)
        );
    }
}

/// Returns a create request that works while there are no API keys; absent if payouts are real or the log is for
/// programs.
pub(crate) fn try_it(config: &Config, is_simulated: bool, local_addr: Option<SocketAddr>) -> Option<String> {
    if !is_simulated || config.log.format == LogFormat::Json {
        return None;
    }
    let key = if config.api.require_idempotency_key {
        " -H 'Idempotency-Key: order-7'"
    } else {
        ""
    };
    Some(format!(
        "curl -i {}/api/payouts/ -H 'Content-Type: application/json'{key} -d '{{\"amount\": \"10.50\", \"currency\": \"USD\", \
         \"recipient_account\": \"GB33BUKB20201555555555\", \"recipient_name\": \"Grace Hopper\"}}'",
        base(local_addr?)
    ))
}

/// Returns the address at which a client on this host reaches the process.
fn base(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use payout_core::ports::System;

    use super::*;

    fn config(options: &[&str]) -> Config {
        let all = ["payout", "--database-url=memory:"]
            .into_iter()
            .chain(options.iter().copied());
        Config::from_args(all, &System::default()).unwrap()
    }

    #[test]
    fn the_request_to_try_goes_to_where_the_process_listens() {
        let address = |text: &str| Some(text.parse().unwrap());
        let line = try_it(&config(&[]), true, address("127.0.0.1:8123")).unwrap();
        assert!(
            line.starts_with("curl -i http://127.0.0.1:8123/api/payouts/ -H"),
            "{line}"
        );
        assert!(!line.contains("Idempotency-Key"), "{line}");
        for (bound, reached) in [
            ("0.0.0.0:80", "http://127.0.0.1:80/"),
            ("[::]:80", "http://[::1]:80/"),
        ] {
            assert!(
                try_it(&config(&[]), true, address(bound))
                    .unwrap()
                    .contains(reached),
                "{bound}"
            );
        }
        let line = try_it(
            &config(&["--require-idempotency-key=on"]),
            true,
            address("127.0.0.1:1"),
        )
        .unwrap();
        assert!(
            line.contains(" -H 'Idempotency-Key: order-7' -d '{\"amount\""),
            "{line}"
        );
    }

    #[test]
    fn nobody_is_told_to_try_out_what_pays_or_to_read_a_log_for_programs() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 80)));
        let for_programs = config(&["--log-format=json"]);
        assert_eq!(try_it(&for_programs, true, address), None);
        assert_eq!(try_it(&config(&[]), true, None), None, "a worker alone");
        assert_eq!(try_it(&config(&[]), false, address), None, "a provider that pays");
    }
}
