//! Every case by name, once: the macros that run the suites, and the test that no case is forgotten.

/// Runs every case that a [`PayoutRepository`](crate::ports::PayoutRepository) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own** and returns
/// something that turns into a [`Fixture`](crate::contract::Fixture): `Arc<dyn PayoutRepository>`, or that and a guard.
#[macro_export]
macro_rules! repository_contract {
    ($make:expr) => {
        $crate::__repository_cases! { tests($make) }
    };
}

/// Runs every case that a [`JobQueue`](crate::ports::JobQueue) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes an **empty** queue and returns something that turns into a
/// [`Fixture`](crate::contract::Fixture); [`with_peer`](crate::contract::Fixture::with_peer) adds the second consumer.
#[macro_export]
macro_rules! queue_contract {
    ($make:expr) => {
        $crate::__queue_cases! { tests($make) }
    };
}

/// Runs every case that a [`Processor`](crate::ports::Processor) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a processor which pays what it is asked to, sooner or later, and
/// returns something that turns into a [`Fixture`](crate::contract::Fixture).
#[macro_export]
macro_rules! processor_contract {
    ($make:expr) => {
        $crate::__processor_cases! { tests($make) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __repository_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::PayoutRepository) in repository;
            insert: [
                an_inserted_payout_is_found_with_every_field,
                a_scheduled_payout_is_due_at_its_time_and_not_claimable_before,
                a_batch_of_five_hundred_is_answered_in_its_order,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __queue_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::JobQueue) in queue;
            delivery: [
                an_enqueued_hint_is_delivered,
                an_acknowledged_hint_is_not_delivered_again,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __processor_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::Processor) in processor;
            answers: [
                a_submitted_instruction_is_paid,
                a_key_that_was_never_submitted_is_not_found,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __expand_cases {
    (tests($make:expr) ($port:ty) in $suite:ident; $($group:ident: [$($case:ident),* $(,)?];)*) => {
        $($(
            #[test]
            fn $case() {
                $crate::contract::run::<$port, _, _>($make, $crate::contract::$suite::$group::$case);
            }
        )*)*
    };
    (names() ($port:ty) in $suite:ident; $($group:ident: [$($case:ident),* $(,)?];)*) => {
        [$((
            stringify!($group),
            include_str!(concat!(stringify!($suite), "/", stringify!($group), ".rs")),
            &[$(stringify!($case)),*] as &[&str],
        )),*]
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    /// The public functions of a file of cases.
    fn cases_in(source: &str) -> HashSet<&str> {
        let starts = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "));
        starts
            .filter_map(|rest| rest.split_once('('))
            .map(|(name, _)| name)
            .collect()
    }

    fn assert_listed(groups: &[(&str, &str, &[&str])]) {
        assert!(!groups.is_empty());
        for (group, source, listed) in groups {
            let named: HashSet<&str> = listed.iter().copied().collect();
            assert_eq!(named.len(), listed.len(), "a case of {group} is listed twice");
            assert_eq!(
                named,
                cases_in(source),
                "the list of {group} and its functions differ"
            );
        }
    }

    #[test]
    fn every_case_is_in_its_suites_list() {
        assert_listed(&crate::__repository_cases! { names() });
        assert_listed(&crate::__queue_cases! { names() });
        assert_listed(&crate::__processor_cases! { names() });
    }
}
