//! A thread that is due and gets no processor is moved to one that is free.
//!
//! Linux wakes a realtime thread on the processor on which it slept, also when another one is idle: it
//! expects whoever runs there to give way at once. A kernel that does not preempt its own work, as those of
//! most servers do not, lets it give way at the end of its system call. Where a program deleted thousands of
//! links, a thread that did nothing but sleep was woken 450 ms late on a machine with an idle processor.
//!
//! Owns a thread that is kept on the other processors, and wakes a little after the engine is due. The engine's
//! thread says when that is; it makes no system call for that, unless it is earlier than was said before, and
//! waits for nothing here. What the kernel refuses leaves the engine where it is; it waits, as it would have done
//! without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{Pid, gettid};

use super::{OsError, clock};
use crate::vrrp::times::Moment;

/// So late the engine is when it is looked for: more than it takes to be woken, and half of the millisecond
/// that an advert may be late.
const GRACE: Duration = Duration::from_micros(500);

/// Shared by the thread that is looked after and the one that does it.
#[derive(Debug, Clone)]
pub struct Rescue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    timer: TimerFd,
    /// When to look for the thread: [`Moment`] in nanoseconds, or [`NEVER`].
    look_at: AtomicU64,
    /// For when the timer is set.
    set_to: AtomicU64,
    /// The thread that is looked after.
    thread: AtomicI32,
    /// Asleep, or woken and without a processor.
    sleeps: AtomicBool,
    /// The thread that does it.
    rescuer: AtomicI32,
    /// The one processor on which that does not run.
    off: AtomicUsize,
    /// Where there was no other processor for it. Nobody is asked again before somebody is moved.
    only: AtomicUsize,
}

/// After that it is looked for again.
const AGAIN: Duration = Duration::from_millis(1);

/// Instead of a thread that did not begin yet.
const NOBODY: i32 = 0;
/// Instead of a processor.
const NOWHERE: usize = usize::MAX;
/// Instead of a time.
const NEVER: u64 = u64::MAX;

impl Rescue {
    /// With a timer that is not set.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Self, OsError> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)
            .map_err(|error| OsError::new("set up the timer of the rescue", error))?;
        Ok(Self(Arc::new(Shared {
            timer,
            look_at: AtomicU64::new(NEVER),
            set_to: AtomicU64::new(NEVER),
            thread: AtomicI32::new(NOBODY),
            sleeps: AtomicBool::new(false),
            rescuer: AtomicI32::new(NOBODY),
            off: AtomicUsize::new(NOWHERE),
            only: AtomicUsize::new(NOWHERE),
        })))
    }

    /// The calling thread is the one to look after.
    pub fn look_after_me(&self) {
        self.0.thread.store(gettid().as_raw(), Ordering::Relaxed);
    }

    /// That thread is to be awake at this time from now on; `None`: whenever something comes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn expect_at(&self, time: Option<Moment>) -> Result<(), Errno> {
        let at = time.map_or(NEVER, |time| (time + GRACE).as_nanos());
        self.0.look_at.store(at, Ordering::SeqCst);
        // Later than the timer is set to is early enough: whoever is woken sees it then.
        if at < self.0.set_to.load(Ordering::SeqCst) {
            self.set_timer(at)
        } else {
            Ok(())
        }
    }

    fn set_timer(&self, at: u64) -> Result<(), Errno> {
        self.0.set_to.store(at, Ordering::SeqCst);
        let expiration = Expiration::OneShot(TimeSpec::from(Duration::from_nanos(at)));
        let timer = &self.0.timer;
        timer.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
    }

    /// The calling thread, which is looked after, goes to sleep.
    pub fn falls_asleep(&self) {
        // Where it is refused, the rescuer may be behind the same system call, and late.
        let _ = self.keep_off_this_processor();
        self.0.sleeps.store(true, Ordering::Relaxed);
    }

    /// The calling thread is woken on the processor where it sleeps: whoever is to fetch it from there must
    /// be elsewhere.
    fn keep_off_this_processor(&self) -> Result<(), Errno> {
        let here = sched_getcpu()?;
        let rescuer = self.0.rescuer.load(Ordering::Relaxed);
        let is_here = |at: &AtomicUsize| at.load(Ordering::Relaxed) == here;
        if is_here(&self.0.off) || is_here(&self.0.only) || rescuer == NOBODY {
            return Ok(());
        }
        let mut others = sched_getaffinity(Pid::from_raw(0))?;
        others.unset(here)?;
        // There may be no other one, or not now: it was fetched, and may not leave yet.
        let at = if others == CpuSet::new() {
            &self.0.only
        } else {
            sched_setaffinity(Pid::from_raw(rescuer), &others)?;
            &self.0.off
        };
        at.store(here, Ordering::Relaxed);
        Ok(())
    }

    /// That thread runs.
    pub fn is_awake(&self) {
        self.0.sleeps.store(false, Ordering::Relaxed);
    }

    /// Works until the process ends.
    pub fn run(&self) {
        self.0.rescuer.store(gettid().as_raw(), Ordering::Relaxed);
        while self.0.timer.wait().is_ok() {
            self.0.set_to.store(NEVER, Ordering::SeqCst);
            let now = clock::now();
            let look_at = self.0.look_at.load(Ordering::SeqCst);
            if look_at <= now.as_nanos() && self.0.sleeps.load(Ordering::Relaxed) {
                self.fetch();
            }
            if self.sleep_until(look_at, now).is_err() {
                break;
            }
        }
    }

    fn fetch(&self) {
        let thread = Pid::from_raw(self.0.thread.load(Ordering::Relaxed));
        // It may be refused here, and granted next time.
        let _ = fetch(thread);
        // There may be more processors by now, or there were fewer while it was fetched.
        self.0.only.store(NOWHERE, Ordering::Relaxed);
    }

    /// Sets the timer anew, unless the engine waits for something that bears no time.
    fn sleep_until(&self, mut look_at: u64, now: Moment) -> Result<(), Errno> {
        while look_at != NEVER {
            let again = (now + AGAIN).as_nanos();
            self.set_timer(if look_at <= now.as_nanos() {
                again
            } else {
                look_at
            })?;
            // Who says another time from now on sees to the timer.
            let said = self.0.look_at.load(Ordering::SeqCst);
            if said == look_at {
                break;
            }
            look_at = said;
        }
        Ok(())
    }
}

/// Moves a thread that waits for a processor to the one that runs this. It may leave again at once.
fn fetch(thread: Pid) -> Result<(), Errno> {
    let allowed = sched_getaffinity(thread)?;
    let here = sched_getcpu()?;
    // Who keeps it elsewhere has a reason.
    if !allowed.is_set(here)? {
        return Ok(());
    }
    let (mut only, mut all) = (CpuSet::new(), CpuSet::new());
    only.set(here)?;
    for processor in 0..CpuSet::count() {
        all.set(processor)?;
    }
    // The kernel names processors that there are. Who may be on all of them may be on those that come later.
    let widest = sched_setaffinity(thread, &all).and_then(|()| sched_getaffinity(thread));
    let is_everywhere = widest.is_ok_and(|widest| widest == allowed);
    let fetched = sched_setaffinity(thread, &only);
    let before = if is_everywhere { all } else { allowed };
    if sched_setaffinity(thread, &before).is_err() {
        // None of them is left to it meanwhile: it may be wherever the kernel lets it.
        sched_setaffinity(thread, &all)?;
    }
    fetched
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;

    /// A thread that sleeps until it is woken, and then says on which processor it runs.
    fn sleeper() -> (Pid, Sender<()>, Receiver<usize>) {
        let ((wake, woken), (say, said)) = (channel::<()>(), channel());
        let (tell, told) = channel();
        thread::spawn(move || {
            tell.send(gettid()).unwrap();
            woken.recv().unwrap();
            say.send(sched_getcpu().unwrap()).unwrap();
        });
        (told.recv().unwrap(), wake, said)
    }

    fn processors(thread: Pid) -> Vec<usize> {
        let set = sched_getaffinity(thread).unwrap();
        let is_set = |processor: &usize| set.is_set(*processor).unwrap();
        (0..CpuSet::count()).filter(is_set).collect()
    }

    #[test]
    fn a_thread_that_was_fetched_may_run_wherever_it_might_before() {
        let (thread, wake, said) = sleeper();
        let before = processors(thread);
        fetch(thread).unwrap();
        assert_eq!(processors(thread), before);
        wake.send(()).unwrap();
        assert!(before.contains(&said.recv().unwrap()));
    }

    #[test]
    fn a_thread_that_somebody_keeps_elsewhere_stays_there() {
        // On a thread of its own, which is kept on one processor, too.
        thread::spawn(|| {
            let (thread, wake, said) = sleeper();
            let all = processors(thread);
            let [first, .., last] = all[..] else {
                // With one processor there is no elsewhere, and nothing to fetch anybody from.
                assert_eq!(all.len(), 1);
                return;
            };
            let of = |processor| {
                let mut set = CpuSet::new();
                set.set(processor).unwrap();
                set
            };
            sched_setaffinity(thread, &of(first)).unwrap();
            sched_setaffinity(Pid::from_raw(0), &of(last)).unwrap();
            fetch(thread).unwrap();
            assert_eq!(processors(thread), [first]);
            wake.send(()).unwrap();
            assert_eq!(said.recv().unwrap(), first);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_rescuer_is_kept_off_the_processor_of_the_thread_that_it_looks_after() {
        let rescue = Rescue::open().unwrap();
        let all = processors(Pid::from_raw(0));
        let (rescuer, _wake, _said) = sleeper();
        rescue.0.rescuer.store(rescuer.as_raw(), Ordering::Relaxed);
        rescue.falls_asleep();
        let off = rescue.0.off.load(Ordering::Relaxed);
        let expected: Vec<_> = all.iter().copied().filter(|one| *one != off).collect();
        assert_eq!(processors(rescuer), expected);
        // With one processor there is nowhere else.
        assert_eq!(off == NOWHERE, all.len() == 1);
    }

    /// What the kernel keeps for it, processors that may come later included.
    fn mask(thread: Pid) -> String {
        let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap();
        let line = |line: &&str| line.starts_with("Cpus_allowed:");
        status.lines().find(line).unwrap().to_owned()
    }

    #[test]
    fn a_thread_that_was_fetched_has_the_mask_that_it_had() {
        let (thread, wake, said) = sleeper();
        let free = mask(thread);
        fetch(thread).unwrap();
        assert_eq!(mask(thread), free);
        // And one that somebody keeps on some processors is kept there still.
        let here = sched_getcpu().unwrap();
        let mut kept = CpuSet::new();
        kept.set(here).unwrap();
        sched_setaffinity(thread, &kept).unwrap();
        let kept = mask(thread);
        for _ in 0..100 {
            fetch(thread).unwrap();
        }
        assert_eq!(mask(thread), kept);
        wake.send(()).unwrap();
        assert_eq!(said.recv().unwrap(), here);
    }

    #[test]
    fn who_found_no_other_processor_asks_again_after_a_rescue_only() {
        thread::spawn(|| {
            let rescue = Rescue::open().unwrap();
            let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
            let mut one = CpuSet::new();
            one.set(sched_getcpu().unwrap()).unwrap();
            sched_setaffinity(Pid::from_raw(0), &one).unwrap();
            let here = sched_getcpu().unwrap();
            let (rescuer, _wake, _said) = sleeper();
            let (thread, _wake_too, _said_too) = sleeper();
            rescue.0.thread.store(thread.as_raw(), Ordering::Relaxed);
            rescue.0.rescuer.store(rescuer.as_raw(), Ordering::Relaxed);
            let before = processors(rescuer);
            rescue.falls_asleep();
            assert_eq!(rescue.0.only.load(Ordering::Relaxed), here);
            // Not asked: what changed meanwhile does not matter.
            sched_setaffinity(Pid::from_raw(0), &all).unwrap();
            if sched_getcpu().unwrap() == here {
                rescue.falls_asleep();
                assert_eq!(processors(rescuer), before);
            }
            rescue.fetch();
            assert_eq!(rescue.0.only.load(Ordering::Relaxed), NOWHERE);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn nobody_is_looked_for_before_a_grace_and_only_who_sleeps() {
        let rescue = Rescue::open().unwrap();
        let time = clock::now();
        rescue.expect_at(Some(time)).unwrap();
        rescue.0.timer.wait().unwrap();
        assert!(clock::now() >= time + GRACE);
        assert!(!rescue.0.sleeps.load(Ordering::Relaxed));
        rescue.falls_asleep();
        assert!(rescue.0.sleeps.load(Ordering::Relaxed));
    }
}
