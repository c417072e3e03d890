//! Scopes: the permissions that an API key grants.

use std::fmt;
use std::str::FromStr;

/// A scope: one permission that an API key may grant.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownScope, parse_err_fn = UnknownScope::of)]
pub enum Scope {
    /// Read payouts and their audit trails, with masked account numbers and names, and the metrics.
    Read,
    /// Create, edit and delete payouts.
    Write,
    /// Retry, cancel and resolve payouts.
    Operate,
    /// Approve and reject payouts that await approval.
    Approve,
    /// See account numbers and names in full.
    Reveal,
    /// Manage API keys. It includes every other scope, since a caller that makes keys can make one with any scope.
    Admin,
}

/// The text is not the name of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A scope is one of read, write, operate, approve, reveal and admin.")]
pub struct UnknownScope;

impl UnknownScope {
    fn of(_: &str) -> Self {
        Self
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Operate => 4,
            Self::Reveal => 8,
            Self::Admin => 16,
            Self::Approve => 32,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes. As text: their names, separated by spaces (RFC 6749 §3.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// Returns the set of every scope.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Returns whether the set contains the scope itself.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Returns whether the set grants the scope: it contains it, or [`Scope::Admin`], which includes every other.
    pub fn include(self, scope: Scope) -> bool {
        self.contains(scope) || self.contains(Scope::Admin)
    }

    /// Returns whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Iterates over the scopes of the set, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(names: &str) -> Result<Self, UnknownScope> {
        names.split_ascii_whitespace().map(Scope::from_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_as_it_was_written() {
        for bits in 0..64 {
            let scopes = Scopes(bits);
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
            assert_eq!(scopes.iter().collect::<Scopes>(), scopes);
        }
        assert_eq!(
            Scopes::all().to_string(),
            "read write operate approve reveal admin"
        );
    }

    #[test]
    fn an_unknown_scope_makes_the_whole_set_unknown() {
        assert_eq!("read root".parse::<Scopes>(), Err(UnknownScope));
        assert_eq!("Read".parse::<Scopes>(), Err(UnknownScope));
    }

    #[test]
    fn a_scope_includes_only_itself_and_admin_includes_every_one() {
        for scope in Scope::ALL.iter().copied() {
            let only = Scopes::from_iter([scope]);
            for other in Scope::ALL.iter().copied() {
                assert_eq!(only.contains(other), other == scope);
                assert_eq!(
                    only.include(other),
                    other == scope || scope == Scope::Admin,
                    "{scope}: {other}"
                );
            }
            assert!(!Scopes::default().include(scope));
        }
    }
}
