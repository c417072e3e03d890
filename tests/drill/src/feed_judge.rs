//! Judges the feed and the deliveries of webhooks.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::database::Stored;
use crate::judge::Findings;
use crate::receivers::{FeedEvent, Received};
use crate::rules::Rule;

/// The number of findings of a kind that are shown for one receiver.
const TOLD: usize = 5;

/// The feed and its readers at the end of a drill.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The whole feed, read at the end.
    pub(crate) feed: Vec<FeedEvent>,
    /// The events that readers received who followed the feed from its beginning.
    pub(crate) followed: Vec<Vec<FeedEvent>>,
    pub(crate) received: Vec<Received>,
}

impl Findings {
    pub(crate) fn told(&mut self, told: &Told, stored: &Stored) {
        self.feed(&told.feed, stored);
        for (number, followed) in told.followed.iter().enumerate() {
            if *followed != told.feed {
                let same = followed
                    .iter()
                    .zip(&told.feed)
                    .take_while(|(one, other)| one == other);
                let words = format!(
                    "follower {number} read {} of {} events, and differs at {}: {:?}, not {:?}",
                    followed.len(),
                    told.feed.len(),
                    same.clone().count(),
                    followed.get(same.clone().count()),
                    told.feed.get(same.count())
                );
                self.add(Rule::FeedDiffers, "", words);
            }
        }
        for received in &told.received {
            self.received(received, &told.feed);
        }
    }

    /// Checks that the feed is in order, and that it tells what the trails have.
    fn feed(&mut self, feed: &[FeedEvent], stored: &Stored) {
        let mut versions: HashMap<&str, u64> = HashMap::new();
        let mut ids = HashSet::new();
        for (event, next) in feed.iter().zip(feed.iter().skip(1)) {
            if event.sequence >= next.sequence {
                let words = format!("{} comes before {}", event.sequence, next.sequence);
                self.add(Rule::FeedDiffers, "", words);
            }
        }
        let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for event in feed {
            if !ids.insert(event.id.as_str()) {
                self.add(Rule::FeedDiffers, "", format!("{} comes twice", event.id));
            }
            let (Some(payout), Some(version)) = (event.payout_id.as_deref(), event.version) else {
                continue;
            };
            let before = versions.insert(payout, version).unwrap_or(0);
            if version < before {
                let words = format!("version {version} comes after {before}");
                self.add(Rule::FeedDiffers, payout, words);
            }
            *told.entry((payout, event.event_type.as_str())).or_default() += 1;
        }
        let mut happened: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for event in stored.trails.values().flatten() {
            if let Some(event_type) = type_of(&event.kind) {
                *happened.entry((&event.payout_id, event_type)).or_default() += 1;
            }
        }
        for (key, count) in &happened {
            let in_feed = told.get(key).copied().unwrap_or(0);
            if in_feed != *count {
                let words = format!("{count} × {} in the trail, {in_feed} in the feed", key.1);
                self.add(Rule::FeedDiffers, key.0, words);
            }
        }
    }

    /// Checks that a receiver has every event that its endpoint asks for, and those of each payout in their order.
    fn received(&mut self, received: &Received, feed: &[FeedEvent]) {
        let name = &received.name;
        for words in received.wrong.iter().take(TOLD) {
            self.add(Rule::DeliveryWrong, "", format!("{name}: {words}"));
        }
        if received.is_gone && !received.is_disabled {
            self.add(Rule::GoneNotDisabled, "", name.clone());
        }
        let known: HashSet<&str> = received.accepted.iter().map(String::as_str).collect();
        let lost: Vec<&FeedEvent> = feed
            .iter()
            .filter(|event| received.wants(&event.event_type) && !known.contains(event.id.as_str()))
            .collect();
        if !received.is_disabled {
            for event in lost.iter().take(TOLD) {
                let payout = event.payout_id.as_deref().unwrap_or_default();
                let words = format!("{name}: {} {} of {} lost", event.event_type, event.id, lost.len());
                self.add(Rule::EventLost, payout, words);
            }
        }
        let places: HashMap<&str, (usize, &FeedEvent)> = feed
            .iter()
            .enumerate()
            .map(|(place, event)| (event.id.as_str(), (place, event)))
            .collect();
        let mut last: HashMap<&str, usize> = HashMap::new();
        for id in &received.accepted {
            let Some((place, event)) = places.get(id.as_str()) else {
                self.add(
                    Rule::DeliveryWrong,
                    "",
                    format!("{name}: {id} is not in the feed"),
                );
                continue;
            };
            if !received.wants(&event.event_type) {
                let words = format!("{name}: {id} is of the type {}", event.event_type);
                self.add(Rule::DeliveryWrong, "", words);
            }
            let Some(payout) = event.payout_id.as_deref() else {
                continue;
            };
            let before = last.insert(payout, *place);
            if before.is_some_and(|before| before > *place) {
                let words = format!("{name}: {} {id} came late", event.event_type);
                self.add(Rule::EventOutOfOrder, payout, words);
            }
        }
    }
}

/// Returns the public type of a kind of events that are always public.
fn type_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "created" => "payout.created",
        "edited" => "payout.edited",
        "approved" => "payout.approved",
        "rejected" => "payout.rejected",
        "completed" => "payout.completed",
        "failed" => "payout.failed",
        "returned" => "payout.returned",
        "released" | "key_spent" => "payout.pending",
        "review_requested" => "payout.needs_review",
        "resolved" => "payout.resolved",
        "retried" => "payout.retried",
        "cancelled" => "payout.cancelled",
        "deleted" => "payout.deleted",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::database::Event;

    fn event(id: &str, payout: &str, version: u64) -> FeedEvent {
        FeedEvent {
            id: id.to_owned(),
            sequence: id.to_owned(),
            event_type: if version == 1 {
                "payout.created"
            } else {
                "payout.completed"
            }
            .to_owned(),
            payout_id: Some(payout.to_owned()),
            version: Some(version),
        }
    }

    fn feed() -> Vec<FeedEvent> {
        vec![event("1", "a", 1), event("2", "b", 1), event("3", "a", 2)]
    }

    fn stored(feed: &[FeedEvent]) -> Stored {
        let mut stored = Stored::default();
        for event in feed {
            let payout_id = event.payout_id.clone().unwrap();
            let kind = event.event_type.trim_start_matches("payout.").to_owned();
            stored.trails.entry(payout_id.clone()).or_default().push(Event {
                payout_id,
                generation: 0,
                fence: 0,
                at: clock::now(),
                kind,
                status: "pending".to_owned(),
                actor: "test".to_owned(),
                detail: None,
            });
        }
        stored
    }

    fn received(ids: &[&str]) -> Received {
        Received {
            name: "one".to_owned(),
            accepted: ids.iter().map(|&id| id.to_owned()).collect(),
            ..Received::default()
        }
    }

    fn found(told: &Told) -> Vec<Rule> {
        let mut findings = Findings::default();
        findings.told(told, &stored(&feed()));
        findings.rules()
    }

    #[test]
    fn a_whole_feed_and_receivers_that_have_it_are_as_promised() {
        let told = Told {
            feed: feed(),
            followed: vec![feed()],
            received: vec![received(&["1", "2", "3"]), received(&["2", "1", "3"])],
        };
        assert_eq!(found(&told), []);
    }

    #[test]
    fn what_a_receiver_lacks_and_what_comes_late_is_found() {
        let told = |received| Told {
            feed: feed(),
            followed: Vec::new(),
            received: vec![received],
        };
        assert_eq!(found(&told(received(&["1", "3"]))), [Rule::EventLost]);
        assert_eq!(found(&told(received(&["3", "2", "1"]))), [Rule::EventOutOfOrder]);
        assert_eq!(
            found(&told(received(&["1", "2", "3", "9"]))),
            [Rule::DeliveryWrong]
        );
        let mut gone = received(&["1"]);
        gone.is_gone = true;
        assert_eq!(
            found(&told(gone.clone())),
            [Rule::GoneNotDisabled, Rule::EventLost, Rule::EventLost]
        );
        gone.is_disabled = true;
        assert_eq!(found(&told(gone)), []);
        let mut some = received(&["3"]);
        some.types = vec!["payout.completed".to_owned()];
        assert_eq!(found(&told(some)), []);
    }

    #[test]
    fn a_feed_that_skips_repeats_or_turns_is_found() {
        let told = |feed: Vec<FeedEvent>| Told {
            feed,
            ..Told::default()
        };
        assert_eq!(found(&told(feed()[..2].to_vec())), [Rule::FeedDiffers]);
        let mut turned = feed();
        turned.swap(0, 2);
        assert!(found(&told(turned)).contains(&Rule::FeedDiffers));
        let mut repeated = feed();
        repeated.push(event("3", "a", 2));
        assert!(found(&told(repeated)).contains(&Rule::FeedDiffers));
        let short = Told {
            feed: feed(),
            followed: vec![feed()[1..].to_vec()],
            received: Vec::new(),
        };
        assert_eq!(found(&short), [Rule::FeedDiffers]);
    }
}
