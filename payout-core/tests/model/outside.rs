//! Events outside the workers' claims: arrivals at a provider, returns, rechecks, and the operator's steps.

use payout_core::Timestamp;
use payout_core::attempt::{Recheck, RecheckFinding};
use payout_core::contract::build;
use payout_core::payout::{Payout, Resolution, Status};
use payout_core::provider::{LookUpAnswer, ProviderAnswer};

use crate::protocol::{Protocol, Somebody, Without};
use crate::world::{Entry, Finding, World, answer, at, creator, owned, payment_of};

impl Protocol {
    /// A request arrives at its provider, which decides an undecided key in this way.
    pub(crate) fn arrives(&self, world: &mut World, request: usize, new: Entry) -> Option<()> {
        let (provider, key) = world.under_way.remove(request);
        world.stale_request |= key < world.claimed_generation as usize;
        match &mut world.book[provider][key] {
            entry @ None => {
                if new == Entry::Spent {
                    world.left.spends = world.left.spends.checked_sub(1)?;
                }
                *entry = Some(new);
            }
            // The key was decided earlier, so every arrival leads to the same state.
            Some(_) if new != Entry::Paid => return None,
            Some(Entry::Paid) => world.paid_again |= world.forgotten,
            Some(Entry::Declined | Entry::Spent | Entry::Returned) => (),
        }
        Some(())
    }

    /// The provider forgets its keys, long after the last request and the last answer.
    pub(crate) fn forget(&self, world: &mut World) -> Option<()> {
        let quiet = world.under_way.is_empty() && world.workers.iter().all(Option::is_none);
        world.left.forgets = world.left.forgets.checked_sub(1).filter(|_| quiet)?;
        world.forgotten = true;
        Some(())
    }

    /// A payment comes back.
    pub(crate) fn comes_back(&self, world: &mut World, (provider, key): (usize, usize)) -> Option<()> {
        let entry = &mut world.book[provider][key];
        if *entry != Some(Entry::Paid) {
            return None;
        }
        world.left.returns = world.left.returns.checked_sub(1)?;
        *entry = Some(Entry::Returned);
        Some(())
    }

    /// A worker rechecks the completed payment, and may write the finding at any later time.
    pub(crate) fn look_for_return(&self, world: &mut World) -> Option<()> {
        if world.payout.status() != Status::Completed || world.recheck.is_some() {
            return None;
        }
        world.left.rechecks = world.left.rechecks.checked_sub(1)?;
        let said = world
            .entry()
            .map_or(LookUpAnswer::Absent, |entry| LookUpAnswer::Found(answer(entry)));
        let found = world
            .payout
            .conclude_recheck(Ok(said), &self.policy(), at(world.tick));
        world.recheck = Some(Finding::of(&found));
        Some(())
    }

    pub(crate) fn write_recheck(&self, world: &mut World) -> Option<()> {
        let found = world.recheck.take()?;
        let generation = match self.without {
            Without::RecheckGeneration => world.payout.generation(),
            _ => found.generation,
        };
        let finding = match answer(Entry::Returned) {
            ProviderAnswer::Returned(returned) if found.came_back => RecheckFinding::Returned(returned),
            _ => RecheckFinding::Over,
        };
        let id = world.payout.id();
        let recheck = Recheck {
            id,
            generation,
            finding,
        };
        if let Some(after) = world.payout.clone().recheck(&recheck, at(world.tick)) {
            world.payout = after;
        }
        Some(())
    }

    pub(crate) fn cancel(&self, world: &mut World) -> Option<()> {
        let change = world.payout.clone().cancel(build::client()).ok()?;
        world.payout = change.made_at(at(world.tick));
        Some(())
    }

    pub(crate) fn retry(&self, world: &mut World) -> Option<()> {
        world.left.retries = world.left.retries.checked_sub(1)?;
        let now = if self.without == Without::Wait {
            at(u8::MAX)
        } else {
            at(world.tick)
        };
        let change = world.payout.clone().retry(now, creator()).ok()?;
        let change = if self.approvals {
            change.requiring(1)
        } else {
            change
        };
        world.payout = if self.without == Without::VoidedByRetry {
            unvoided(&world.payout, &change.made_at(at(world.tick)), at(world.tick))
        } else {
            change.made_at(at(world.tick))
        };
        world.doubt = false;
        Some(())
    }

    /// A person approves the payout.
    pub(crate) fn approve(&self, world: &mut World, somebody: Somebody) -> Option<()> {
        let caller = match somebody {
            Somebody::Creator => creator(),
            Somebody::Other => owned("other"),
        };
        let mut payout = world.payout.clone();
        if self.without == Without::FourEyes {
            let mut parts = payout.parts().clone();
            let approval = parts.approval.as_mut()?;
            (approval.creator, approval.editor, parts.created_by) = (None, None, None);
            payout = Payout::restore(parts).unwrap();
        }
        let change = payout.approve(caller).ok()?;
        world.payout = change.made_at(at(world.tick));
        if somebody == Somebody::Other {
            world.agreed.push(payment_of(&world.payout));
        }
        Some(())
    }

    pub(crate) fn reject(&self, world: &mut World) -> Option<()> {
        let change = world.payout.clone().reject(owned("other")).ok()?;
        world.payout = change.made_at(at(world.tick));
        Some(())
    }

    /// The creator changes the amount.
    pub(crate) fn edit(&self, world: &mut World) -> Option<()> {
        world.left.edits = world.left.edits.checked_sub(1)?;
        let mut details = world.payout.details().clone();
        details.money = build::money("77.70", "EUR");
        let change = world.payout.clone().edit(details, creator()).ok()?;
        let change = if self.approvals {
            change.requiring(1)
        } else {
            change
        };
        world.payout = if self.without == Without::VoidedByEdit {
            unvoided(&world.payout, &change.made_at(at(world.tick)), at(world.tick))
        } else {
            change.made_at(at(world.tick))
        };
        Some(())
    }

    /// Somebody changes the amount in the database.
    pub(crate) fn alter(&self, world: &mut World) -> Option<()> {
        world.left.alterations = world.left.alterations.checked_sub(1)?;
        let mut parts = world.payout.parts().clone();
        parts.details.money = build::money("99.90", "EUR");
        world.payout = Payout::restore(parts).unwrap();
        Some(())
    }

    /// The operator asks the provider, closes the key there, and resolves the payout with the outcome.
    pub(crate) fn resolve(&self, world: &mut World) -> Option<()> {
        let payout = world.payout.clone();
        let entry = *world.entry();
        let resolution = match entry {
            Some(Entry::Paid | Entry::Returned) => Resolution::Completed,
            Some(Entry::Declined | Entry::Spent) | None => Resolution::Failed,
        };
        let change = payout.resolve(resolution, build::client()).ok()?;
        world.entry().get_or_insert(Entry::Declined);
        world.payout = change.made_at(at(world.tick));
        Some(())
    }

    /// The operator hears from the provider that the payment came back.
    pub(crate) fn mark_returned(&self, world: &mut World) -> Option<()> {
        if *world.entry() != Some(Entry::Returned) {
            return None;
        }
        let change = world
            .payout
            .clone()
            .mark_returned(at(world.tick), build::client())
            .ok()?;
        world.payout = change.made_at(at(world.tick));
        Some(())
    }
}

/// Returns the payout after a change that left its approvals as they were.
fn unvoided(before: &Payout, after: &Payout, now: Timestamp) -> Payout {
    let mut parts = after.parts().clone();
    let kept = before.parts().approval.clone();
    let is_approved = kept.as_ref().is_some_and(|approval| approval.digest.is_some());
    parts.approval = kept;
    if is_approved {
        (parts.status, parts.due_at) = (Status::Pending, Some(now));
    }
    Payout::restore(parts).unwrap()
}
