//! Query validation: a parameter that the operation does not know is refused, since a misspelt filter would silently
//! filter nothing.
//!
//! The route's policy lists the known parameters. Health checks and metrics, which probes request, accept any. The pages
//! of the console check the filters of lists, and pass over parameters that are no filters. The API and the console refuse
//! parameters that cannot be decoded.

use std::sync::Arc;

use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};
use url::form_urlencoded;

use crate::http::extract::encoding;
use crate::http::extract::query::{QueryPolicy, entry_of};
use crate::http::problem::{Errors, Problem};
use crate::near::nearest;

/// The largest number of mistakes that are named.
const NAMED: usize = 20;

/// The parameters of an operation's query.
pub(crate) struct Known {
    parameters: Vec<Parameter>,
    /// The parameters that have entries by name.
    of_entries: Vec<&'static str>,
}

struct Parameter {
    name: String,
    repeatable: bool,
}

impl Known {
    pub(crate) fn of(query: QueryPolicy) -> Self {
        let parameters = query.parameters();
        let known = parameters.names().map(|(name, repeatable)| Parameter {
            name: name.to_owned(),
            repeatable,
        });
        Self {
            parameters: known.collect(),
            of_entries: parameters.of_entries().to_vec(),
        }
    }

    /// Returns an error for every parameter that cannot be decoded or is unknown, and for every one that is repeated and
    /// must not be.
    pub(crate) fn check(&self, query: &str) -> Errors {
        let mut errors = encoding::mistakes(query.as_bytes());
        let mut given: Vec<String> = Vec::new();
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            if errors.iter().count() >= NAMED {
                break;
            }
            let again = given.iter().any(|earlier| *earlier == name);
            match self.parameters.iter().find(|known| known.name == name) {
                None if self.has_entry(&name) => {
                    if again && errors.of_field(&name).is_none() {
                        errors.add(name.to_string(), "This parameter is given more than once.");
                    }
                }
                None if !again => errors.add(name.to_string(), self.unknown(&name)),
                Some(known) if again && !known.repeatable => {
                    if errors.of_field(&name).is_none() {
                        errors.add(name.to_string(), "This parameter is given more than once.");
                    }
                }
                Some(_) | None => (),
            }
            if !again {
                given.push(name.into_owned());
            }
        }
        errors
    }

    fn has_entry(&self, given: &str) -> bool {
        let mut names = self.of_entries.iter();
        names.any(|name| entry_of(name, given).is_some())
    }

    fn unknown(&self, name: &str) -> String {
        match nearest(name, self.parameters.iter().map(|known| known.name.as_str())) {
            Some(known) => format!("Unknown parameter; is {known} meant?"),
            None => "Unknown parameter.".to_owned(),
        }
    }
}

/// A handler that is called only with a query that its operation knows.
pub(crate) struct Checked {
    known: Known,
    handler: Arc<dyn Handler>,
}

impl Checked {
    pub(crate) fn before(query: QueryPolicy, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Self {
            known: Known::of(query),
            handler,
        })
    }
}

#[async_trait]
impl Handler for Checked {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        let query = request.uri().query().unwrap_or_default();
        if !query.is_empty() {
            let errors = self.known.check(query);
            if !errors.is_empty() {
                flow.skip_rest();
                Problem::invalid(errors).write(request, depot, response).await;
                return;
            }
        }
        self.handler.handle(request, depot, response, flow).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let parameter = |name: &str, repeatable| Parameter {
            name: name.to_owned(),
            repeatable,
        };
        Known {
            parameters: vec![
                parameter("status", true),
                parameter("currency", false),
                parameter("page_size", false),
            ],
            of_entries: vec!["metadata"],
        }
    }

    #[test]
    fn what_is_unknown_or_doubled_is_named_all_at_once() {
        let errors =
            known().check("state=failed&curency=EUR&curency=USD&x=&page_size=1&page%5Fsize=2&page_size=3");
        assert_eq!(errors.get("state"), ["Unknown parameter; is status meant?"]);
        assert_eq!(errors.get("curency"), ["Unknown parameter; is currency meant?"]);
        assert_eq!(errors.get("x"), ["Unknown parameter."]);
        assert_eq!(
            errors.get("page_size"),
            ["This parameter is given more than once."]
        );
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_in_names_and_in_values() {
        for (query, name) in [
            ("currency=%ff", "currency"),
            ("status=a&status=%zz", "status"),
            ("metadata%5B%ff%5D=1", "metadata[\u{fffd}]"),
        ] {
            assert_eq!(known().check(query).get(name).len(), 1, "{query}");
        }
    }

    #[test]
    fn of_very_many_unknown_parameters_the_first_are_named() {
        let query: Vec<String> = (0..5_000).map(|number| format!("q{number}")).collect();
        assert_eq!(known().check(&query.join("&")).iter().count(), NAMED);
    }

    #[test]
    fn each_entry_of_a_parameter_may_be_given_once() {
        assert!(known().check("metadata%5Ba%5D=1&metadata[b]=2").is_empty());
        let errors = known().check("metadata[a]=1&metadata%5Ba%5D=2&metadata=x");
        assert_eq!(
            errors.get("metadata[a]"),
            ["This parameter is given more than once."]
        );
        assert_eq!(errors.get("metadata"), ["Unknown parameter."]);
    }

    #[test]
    fn what_is_known_passes_as_often_as_it_may() {
        for query in ["status=a&status=b&currency=EUR", "status=", "&", "currency=a%26b"] {
            assert!(known().check(query).is_empty(), "{query}");
        }
        for query in ["currency=&currency=EUR", "=x", "currency%00=EUR", "Status=a"] {
            assert!(!known().check(query).is_empty(), "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "\\PC{0,80}") {
            let _ = known().check(&query);
        }
    }
}
