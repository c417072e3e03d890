//! Conditional requests (RFC 9110 §13): `If-Match` and `If-None-Match`, on reads and on writes.
//!
//! Payouts and stored recipients have an `ETag`, which is their version; nothing else has one. No answer has a
//! `Last-Modified`, so conditions on dates never apply.

use payout_core::payout::PayoutId;
use payout_core::usecase::Payouts;
use salvo::http::HeaderMap;
use salvo::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::headers::HeaderRule;
use crate::http::problem::{Errors, Kind, Problem};

/// The pattern of the texts that [`Tags::read`] accepts, for the document.
const TAGS: &str = r#"^(\*|([ \t]*,[ \t]*)*(W/)?"[!#-~]*"([ \t]*,[ \t]*((W/)?"[!#-~]*")?)*)$"#;

/// The headers of a conditional request.
pub(crate) const CONDITIONS: [HeaderRule; 2] = [
    HeaderRule {
        name: "If-Match",
        about: "The `ETag` that the request means, such as `\"3\"`: it is refused with 412 when that is no longer the payout's.",
        pattern: TAGS,
        refusals: &[Kind::PreconditionFailed],
    },
    HeaderRule {
        name: "If-None-Match",
        about: "An `ETag` that the payout must not have any more, or `*`, which every payout has: a read is answered with 304 \
                when it\ndoes, a write with 412.",
        pattern: TAGS,
        refusals: &[Kind::PreconditionFailed],
    },
];

/// The entity tags of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: any version.
    Any,
    /// A list of entity tags.
    Of(Vec<Tag>),
}

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    weak: bool,
    opaque: String,
}

/// The header is not a list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTags;

impl Tags {
    /// Reads a header with any number of lines. Returns `None` if it is absent.
    pub(crate) fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, NoTags> {
        let mut lines = headers.get_all(name).iter().peekable();
        if lines.peek().is_none() {
            return Ok(None);
        }
        let mut field = String::new();
        for line in lines {
            if !field.is_empty() {
                field.push(',');
            }
            field.push_str(line.to_str().map_err(|_| NoTags)?);
        }
        Self::parse(&field).map(Some).ok_or(NoTags)
    }

    fn parse(field: &str) -> Option<Self> {
        if field.trim_matches(OWS) == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = field.trim_start_matches(OWS);
        loop {
            // Elements of a list may be empty (RFC 9110 §5.6.1.2).
            if !rest.is_empty() && !rest.starts_with(',') {
                let (weak, quoted) = match rest.strip_prefix("W/") {
                    Some(quoted) => (true, quoted),
                    None => (false, rest),
                };
                let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
                if !opaque.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return None;
                }
                let opaque = opaque.to_owned();
                tags.push(Tag { weak, opaque });
                rest = after.trim_start_matches(OWS);
            }
            if rest.is_empty() {
                return (!tags.is_empty()).then_some(Self::Of(tags));
            }
            rest = rest.strip_prefix(',')?.trim_start_matches(OWS);
        }
    }

    /// Returns whether a tag matches by weak comparison (RFC 9110 §8.8.3.2).
    pub(crate) fn match_weakly(&self, opaque: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Of(tags) => tags.iter().any(|tag| tag.opaque == opaque),
        }
    }

    /// Returns the versions that match by strong comparison, in which a weak tag matches none. Returns `None` if any
    /// version matches.
    fn versions(&self) -> Option<Vec<u64>> {
        match self {
            Self::Any => None,
            Self::Of(tags) => Some(
                tags.iter()
                    .filter(|tag| !tag.weak)
                    .filter_map(Tag::version)
                    .collect(),
            ),
        }
    }
}

const OWS: [char; 2] = [' ', '\t'];

impl Tag {
    fn version(&self) -> Option<u64> {
        // Only the exact text of an `ETag` counts: `"03"` is another tag than `"3"`.
        let version: u64 = self.opaque.parse().ok()?;
        (version.to_string() == self.opaque).then_some(version)
    }
}

/// The conditions of a request on one payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conditions {
    matches: Option<Tags>,
    matches_none: Option<Tags>,
}

impl Conditions {
    /// Reads both headers.
    ///
    /// # Errors
    /// 400 when one of them is not a list of entity tags.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let read = |name: &HeaderName, shown: &'static str| {
            Tags::read(headers, name).map_err(|NoTags| {
                let message = "This is not a list of entity tags: quote the `ETag` as it was answered, such as \"3\", or use *.";
                Problem::invalid(Errors::of(shown, message))
            })
        };
        Ok(Self {
            matches: read(&IF_MATCH, "If-Match")?,
            matches_none: read(&IF_NONE_MATCH, "If-None-Match")?,
        })
    }

    /// Returns whether a read of the payout at this version gets the payout; false if it was not modified.
    ///
    /// # Errors
    /// 412 when `If-Match` does not allow this version.
    pub(crate) fn allow_read(&self, version: u64) -> Result<bool, Problem> {
        let meant = self.matches.as_ref().and_then(Tags::versions);
        if meant.is_some_and(|versions| !versions.contains(&version)) {
            return Err(precondition_failed());
        }
        let known = self.matches_none.as_ref();
        Ok(!known.is_some_and(|tags| tags.match_weakly(&version.to_string())))
    }

    /// Returns the versions from which a write may be made; `None` if any version will do.
    ///
    /// # Errors
    /// 412 when the conditions do not allow the current version, 404 when there is no such payout, or an error of the
    /// store.
    pub(crate) async fn for_write(
        &self,
        payouts: &Payouts,
        id: PayoutId,
    ) -> Result<Option<Vec<u64>>, Problem> {
        self.for_write_of(async || Ok(payouts.get(id).await?.version()))
            .await
    }

    /// Returns the versions from which a write of anything may be made; `None` if any version will do.
    ///
    /// # Errors
    /// 412 when the conditions do not allow the current version, or the error of reading it.
    pub(crate) async fn for_write_of(
        &self,
        version: impl AsyncFnOnce() -> Result<u64, Problem>,
    ) -> Result<Option<Vec<u64>>, Problem> {
        let meant = self.matches.as_ref().and_then(Tags::versions);
        let Some(refused) = &self.matches_none else {
            return Ok(meant);
        };
        // `If-None-Match` was checked against this version, so the write must be made from it, or not at all.
        let version = version().await?;
        if refused.match_weakly(&version.to_string()) || meant.is_some_and(|meant| !meant.contains(&version))
        {
            return Err(precondition_failed());
        }
        Ok(Some(vec![version]))
    }
}

/// Refuses conditions that cannot hold for something without versions: tags in `If-Match`, since it has none, and
/// `If-None-Match: *`, since it is there (RFC 9110 §13.1).
///
/// # Errors
/// 412 for such a condition; 400 when a header is not a list of entity tags.
pub(crate) fn refuse_unversioned(headers: &HeaderMap) -> Result<(), Problem> {
    let conditions = Conditions::of(headers)?;
    let names_versions = conditions.matches.is_some_and(|tags| tags != Tags::Any);
    if names_versions || conditions.matches_none == Some(Tags::Any) {
        let detail = "What this request is about has no versions: omit `If-Match` and `If-None-Match`.";
        return Err(Problem::new(Kind::PreconditionFailed, detail));
    }
    Ok(())
}

fn precondition_failed() -> Problem {
    let detail = payout_core::usecase::ServiceError::PreconditionFailed.to_string();
    Problem::new(Kind::PreconditionFailed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn read(values: &[&str]) -> Result<Option<Tags>, NoTags> {
        Tags::read(&headers("if-match", values), &IF_MATCH)
    }

    fn versions(values: &[&str]) -> Option<Vec<u64>> {
        read(values).unwrap().unwrap().versions()
    }

    #[test]
    fn a_condition_is_any_or_a_list_of_tags() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(Some(Tags::Any)));
        assert_eq!(versions(&["\"3\""]), Some(vec![3]));
        assert_eq!(
            versions(&["\"3\",\"4\"", " \"5\" ,\t\"6\""]),
            Some(vec![3, 4, 5, 6])
        );
        assert_eq!(versions(&[", \"3\" ,, \"4\","]), Some(vec![3, 4]));
        assert_eq!(versions(&["W/\"3\""]), Some(vec![]), "weak");
        assert_eq!(
            versions(&["\"abc\", \"03\", \"+3\", \"a,b\", \"\""]),
            Some(vec![])
        );
        for odd in [
            "3",
            "0",
            "\"3",
            "\"3\" \"4\"",
            "",
            ",",
            "w/\"3\"",
            "W/ \"3\"",
            "W/3",
            "\"a b\"",
            "*, \"3\"",
            "**",
            "'3'",
        ] {
            assert_eq!(read(&[odd]), Err(NoTags), "{odd:?}");
        }
        assert_eq!(read(&["*", "\"3\""]), Err(NoTags), "lines are one list");
    }

    #[test]
    fn a_read_is_answered_unless_the_client_has_it_or_means_another() {
        let of = |matches: &[&str], none: &[&str]| {
            let mut all = headers("if-match", matches);
            all.extend(headers("if-none-match", none));
            Conditions::of(&all)
                .unwrap()
                .allow_read(3)
                .map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(of(&[], &[]), Ok(true));
        for not_modified in ["*", "\"3\"", "W/\"3\"", "\"2\", W/\"3\""] {
            assert_eq!(of(&[], &[not_modified]), Ok(false), "{not_modified}");
        }
        assert_eq!(of(&[], &["\"2\""]), Ok(true));
        assert_eq!(of(&["\"2\""], &[]), Err(412));
        assert_eq!(of(&["W/\"3\""], &[]), Err(412), "strong comparison");
        assert_eq!(of(&["*"], &["\"2\""]), Ok(true));
        assert_eq!(of(&["\"2\""], &["\"3\""]), Err(412), "If-Match comes first");
    }

    #[test]
    fn what_has_no_versions_matches_no_tag() {
        let of = |name: &'static str, value: &str| {
            refuse_unversioned(&headers(name, &[value])).map_err(|problem| problem.status().as_u16())
        };
        assert!(refuse_unversioned(&HeaderMap::new()).is_ok());
        for (name, value, refused) in [
            ("if-match", "*", Ok(())),
            ("if-match", "\"1\"", Err(412)),
            ("if-match", "W/\"1\"", Err(412)),
            ("if-match", "1", Err(400)),
            ("if-none-match", "*", Err(412)),
            ("if-none-match", "\"1\"", Ok(())),
            ("if-none-match", "1", Err(400)),
        ] {
            assert_eq!(of(name, value), refused, "{name}: {value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_the_document_allows_is_read(value in proptest::string::string_regex(TAGS.trim_matches(['^', '$'])).unwrap()) {
            proptest::prop_assert!(Tags::parse(&value).is_some(), "{:?}", value);
        }

        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,60}") {
            let _ = Conditions::of(&headers("if-none-match", &[&value]));
        }
    }
}
