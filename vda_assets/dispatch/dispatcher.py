"""Keeps a run's workflows on the pool until every clip's work has ended: look up, submit, watch, report, cancel.

A workflow is found again by the hash of its work, so that what a killed process left behind is adopted, and nothing is
submitted twice. A stage is reported as soon as its tasks completed, while other stages and clips go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.base.log import Line, Log
from vda_assets.base.patience import Patience, Waiter
from vda_assets.config.deployment import Deployment
from vda_assets.dispatch.accounting import NOTHING_KNOWN, Accounts, Usage, usage_of
from vda_assets.dispatch.cancel import cancel_run, cancel_workflows
from vda_assets.dispatch.company import Alone, Company
from vda_assets.dispatch.failures import Blame, Explained, StageFailure, explain_failures, worth_another_try
from vda_assets.dispatch.in_flight import InFlight
from vda_assets.dispatch.pace import Heartbeat, Pace, Rhythm
from vda_assets.dispatch.posting import POSTS_AT_ONCE, Accepted, Pending
from vda_assets.dispatch.progress import Progress
from vda_assets.dispatch.report import IsWhole, Report
from vda_assets.dispatch.room import PoolRoom
from vda_assets.dispatch.submissions import Submissions, Submitted, history_of, next_attempt, work_hash_in
from vda_assets.dispatch.submitter import Submitter
from vda_assets.dispatch.systemic import Systemic
from vda_assets.dispatch.watching import WatchedWorkflow, first_start, look
from vda_assets.flows.place import Place
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, remaining, without
from vda_assets.flows.workflow import WORK_HASH_IN_NAME, build_workflow, clip_hash
from vda_assets.osmo.errors import OsmoUnavailable
from vda_assets.osmo.models import SubmitResult
from vda_assets.osmo.service import OsmoService
from vda_assets.storage.layout import RunLayout

# How often it is looked whether another run has got on with the clips that are left to it.
_COMPANY_SECONDS = 5.0
# OSMO's own, where the deployment says nothing that can be read here.
_QUEUE_SECONDS = 7200.0
# At an interrupt: how long POSTs under way are waited for.
_LAST_POSTS_SECONDS = 8.0
# How often older twins of new workflows are looked for, of all new ones at once: the rare twin may run so long beside.
_SETTLE_SECONDS = 5.0
# How long superseded workflows are waited for after their cancel.
_SUPERSEDED_SECONDS = 60.0


class Dispatcher:
    """Drives one run. `log` is told transitions and, every few minutes, how far the run is."""

    def __init__(
        self,
        *,
        client: OsmoService,
        deployment: Deployment,
        place: Place,
        layout: RunLayout,
        report: Report,
        is_whole: IsWhole,
        log: Log,
        company: Company = Alone(),  # noqa: B008 - has no state
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
        clock: Clock = SYSTEM_CLOCK,
        executor: Executor | None = None,
    ) -> None:
        self._client, self._deployment, self._place = client, deployment, place
        self._layout, self._report, self._is_whole, self._log = layout, report, is_whole, log
        self._company, self._pace, self._clock = company, pace, clock
        self._submissions = Submissions(client, layout)
        executor = executor or ThreadPoolExecutor(POSTS_AT_ONCE)
        self._submitter = Submitter(self._post, executor=executor, clock=clock, pace=pace, log=log)
        self._room = PoolRoom(client, deployment.osmo, place=place, layout=layout, company=company, clock=clock)
        self._in_flight: dict[str, InFlight] = {}
        self._left_to_others: dict[str, ClipWork] = {}
        self._company_asked = clock.monotonic()
        self._settled = -math.inf
        self._nothing_started_before: datetime | None = None
        self._progress = Progress(clock, queue_timeout_seconds=deployment.timeout.queue_seconds or _QUEUE_SECONDS)
        self._systemic = Systemic()
        self._accounts = Accounts()
        self._rhythm = Rhythm(pace)
        patience = Patience(pace.patience_seconds, first_pause_seconds=pace.shortest_seconds, longest_pause_seconds=60)
        self._waiter = Waiter(patience, whom="OSMO", worth_waiting=OsmoUnavailable, clock=clock, log=log.at_once)

    def clear_the_way(self, works: Sequence[ClipWork]) -> None:
        """Cancels workflows that are superseded: they would write beside what is made now, from another setup.

        To be called before the setup is written. What another living run waits for goes on.
        """
        superseded = self._waiter.ask(lambda: self._submissions.superseded(works))
        needed = self._company.need([work.clip.key for work in works])
        ended = [one.workflow_id for key, several in superseded.items() if key not in needed for one in several]
        if not ended:
            return
        self._cancel(ended, "the clip or its configuration has changed since it was submitted")
        give_up = self._clock.monotonic() + _SUPERSEDED_SECONDS
        while self._clock.monotonic() < give_up:
            left = self._waiter.ask(lambda: self._submissions.superseded(works))
            if not {one.workflow_id for several in left.values() for one in several} & set(ended):
                return
            self._clock.sleep(1.0)

    def run(self, works: Sequence[ClipWork], *, more: Callable[[], Sequence[ClipWork]] = tuple) -> None:
        """Returns when every stage of every work was reported.

        `more` is asked every few seconds for works that have come up meanwhile; the way is clear for them.

        An interrupt cancels what this run submitted and no other run waits for. Raises OsmoUnavailable when the
        service stays away; the workflows go on then, and a retried run adopts them.
        """
        self._progress.begin(works)
        try:
            self._take_up(works, tries=1)
            self._work_off(more)
        except Exception:
            raise
        except BaseException:
            # A run that reads in the books that it was terminated gets the signal a moment later.
            with interrupts_delayed():
                self._leave_nothing_running()
            raise
        finally:
            self._log.flush()

    def _work_off(self, more: Callable[[], Sequence[ClipWork]]) -> None:
        heartbeat = Heartbeat(self._pace, self._clock)
        while self._has_work:
            changed = self._submit()
            changed |= self._settle()
            watched = self._waiter.ask(self._look)
            changed |= self._digest(watched)
            self._look_around(more)
            if heartbeat.is_due():
                waiting = sum(1 for _ in self._open_works) - len(self._in_flight)
                self._log(self._progress.line(self._in_flight.values(), waiting=waiting))
            if self._has_work:
                self._report.while_waiting()
                self._log.flush()
                self._pause(changed, watched)

    @property
    def _has_work(self) -> bool:
        return next(self._open_works, None) is not None

    @property
    def _open_works(self) -> Iterator[ClipWork]:
        """The works that have not ended: on the pool, waiting to be submitted, or left to other runs."""
        yield from (one.work for one in self._in_flight.values())
        yield from self._submitter.works
        yield from self._left_to_others.values()

    def _pause(self, changed: bool, watched: Mapping[str, WatchedWorkflow]) -> None:
        now = self._clock.now()
        running = [task for one in watched.values() for task in one.running(now)]
        seconds = self._rhythm.next_pause(changed=changed, running=running)
        if not self._submitter.wait(seconds):
            self._clock.sleep(seconds)

    # What there is already

    def _take_up(self, works: Sequence[ClipWork], *, tries: int) -> None:
        """Reports what former workflows finished, adopts what runs, leaves to other runs what they submit, and lines
        the rest up."""
        submitted = self._waiter.ask(lambda: self._submissions.of(works))
        ahead = self._company.ahead([work.clip.key for work in works])
        finished = {work.clip.key: self._finished(work, submitted[work.clip.key]) for work in works}
        watched = self._look_back([one for stages in finished.values() for one in stages.values()])
        for work in works:
            former = submitted[work.clip.key]
            done = finished[work.clip.key]
            for stage, one in done.items():
                self._report_finished(work, stage, one, watched[one.workflow_id], former)
            left = remaining(work, {stage: self._layout_of(one.run_id) for stage, one in done.items()})
            self._left_to_others.pop(work.clip.key, None)
            if not left.stages:
                continue
            alive = [one for one in former if not one.meaning.ended and one.stages & set(left.stages)]
            if alive:
                self._adopt(left, max(alive, key=lambda one: len(one.stages & set(left.stages))), tries, former)
            elif work.clip.key in ahead:
                self._left_to_others[work.clip.key] = left
            else:
                self._submitter.line_up(Pending(left, next_attempt(left, former), tries))

    def _look_around(self, more: Callable[[], Sequence[ClipWork]]) -> None:
        """Tells other runs which clips this one still works on; adopts what they have submitted of the clips that were
        left to them, or takes these clips back; takes up works that have come up meanwhile."""
        if self._clock.monotonic() - self._company_asked < _COMPANY_SECONDS:
            return
        self._company_asked = self._clock.monotonic()
        works = more()  # asked first: it may have a clip go on whose work has just ended, and that is this run's still
        at_work = {work.clip.key for work in (*self._open_works, *works)}
        self._company.work_on(at_work | {*self._report.being_recorded})
        if self._left_to_others:
            self._take_up(list(self._left_to_others.values()), tries=1)
        if works:
            self._progress.begin(works)
            self._take_up(works, tries=1)

    def _finished(self, work: ClipWork, former: Sequence[Submitted]) -> dict[Stage, Submitted]:
        """The stages whose results are whole in storage, and the workflow that left each and ended, well or not."""
        finished: dict[Stage, Submitted] = {}
        for one in reversed(former):
            layout = self._layout_of(one.run_id)
            for stage in one.stages - set(finished) if one.meaning.ended else ():
                if self._is_whole(work, stage, layout=layout, work_hash=one.work_hash):
                    finished[stage] = one
        return finished

    def _look_back(self, ended: Collection[Submitted]) -> dict[str, WatchedWorkflow]:
        """The tasks of workflows that ended, for what they took: one call for each run that they are of."""
        runs = {one.workflow_id: one.run_id for one in ended}
        since = min((one.submit_time for one in ended), default=None)
        watched, _ = self._waiter.ask(lambda: look(self._client, runs, started_after=since))
        return watched

    def _report_finished(
        self, work: ClipWork, stage: Stage, one: Submitted, watched: WatchedWorkflow, former: Sequence[Submitted]
    ) -> None:
        self._progress.ended(stage)
        said = f"adopted {stage} of workflow {one.workflow_id} ({one.status})"
        self._log(Line(work.clip.key, said, workflow=one.workflow_id))
        waits_for, history = work.selection.waits_for(stage), history_of(one.workflow_id, former)
        usage = usage_of(watched, stage, waits_for=waits_for, history=history)
        layout = self._layout_of(one.run_id)
        self._report.stage_completed(work, stage, layout=layout, workflow_id=one.workflow_id, usage=usage)

    def _adopt(self, work: ClipWork, one: Submitted, tries: int, several: Sequence[Submitted]) -> None:
        stages = one.stages & set(work.stages)
        now = self._clock.monotonic()
        layout = self._layout_of(one.run_id)
        history = history_of(one.workflow_id, several)
        self._in_flight[one.workflow_id] = InFlight(work, one.workflow_id, layout, stages, now, tries, history)
        self._nothing_started_before = None
        said = f"adopted workflow {one.workflow_id} ({one.status}) for {', '.join(sorted(stages))}"
        self._log(Line(work.clip.key, said, workflow=one.workflow_id))

    def _layout_of(self, run_id: str) -> RunLayout:
        return RunLayout(self._layout.storage_url, self._layout.dataset, run_id)

    # Submitting

    def _submit(self) -> bool:
        """Takes up what was answered and sends more; True when something was accepted or refused."""
        # An interrupt cancels what is in the books: there is no moment at which a workflow is in none.
        with interrupts_delayed():
            accepted, refused = self._submitter.take_ended()
            for one in accepted:
                self._accepted(one)
        for no in refused:
            reason = f"the workflow was not accepted: {no.reason}"
            self._systemic.failed(reason)
            self._fail_all(no.pending.work, reason)
        if cause := self._systemic.cause:
            for work in self._submitter.drop_waiting():
                self._fail_all(work, f"not submitted, since the clips before failed alike: {cause}")
        self._submitter.begin(room=self._waiter.ask(self._room_for_more))
        return bool(accepted or refused)

    def _room_for_more(self) -> int:
        submitter = self._submitter
        return self._room.for_more(self._in_flight, posting=submitter.posting, waiting=submitter.waiting)

    def _post(self, pending: Pending) -> SubmitResult:
        """Sends a submission once; called by several threads."""
        spec = build_workflow(
            pending.work,
            layout=self._layout,
            deployment=self._deployment,
            place=self._place,
            attempt=pending.attempt,
            labelled=self._submissions.labelled,
        )
        return self._client.submit(spec, pool=self._place.pool, priority=self._place.priority)

    def _accepted(self, one: Accepted) -> None:
        work, now = one.pending.work, self._clock.monotonic()
        self._room.served()
        self._in_flight[one.workflow_id] = InFlight(
            work, one.workflow_id, self._layout, frozenset(work.stages), now, one.pending.tries, is_settled=False
        )
        said = f"submitted workflow {one.workflow_id} ({', '.join(work.stages)})"
        self._log(Line(work.clip.key, said, workflow=one.workflow_id))

    def _settle(self) -> bool:
        """Looks for the workflows of POSTs that nobody answered, and for older twins of new ones; True when it finds
        some. A row appears up to some hundred milliseconds after the answer to its POST (OSMO 6.4)."""
        unsettled = [one for one in self._in_flight.values() if not one.is_settled]
        unanswered = self._submitter.unanswered
        now = self._clock.monotonic()
        # A POST that nobody answered is sent again when it was not found: what is there then was looked at just before.
        if not unanswered and not (unsettled and now - self._settled >= _SETTLE_SECONDS):
            return False
        self._settled = now
        works = [*(one.work for one in unsettled), *(pending.work for pending in unanswered)]
        submitted = self._waiter.ask(lambda: self._submissions.of(works))
        for one in unsettled:
            self._settle_one(one, submitted[one.work.clip.key])
        found = self._submitter.find_unanswered(submitted)
        for accepted in found:
            self._accepted(accepted)
        return bool(found)

    def _settle_one(self, new: InFlight, submitted: Sequence[Submitted]) -> None:
        """Leaves the oldest workflow of a work, should another run or a doubled delivery have sent one before."""
        if all(one.workflow_id != new.workflow_id for one in submitted):
            return  # its row is not there yet
        new.is_settled, new.history = True, history_of(new.workflow_id, submitted)
        rivals = [one for one in submitted if one.does_all_of(new.work)]
        first = next((one for one in rivals if not one.meaning.ended or self._left_all(one, new.work)), None)
        if first is None or first.workflow_id == new.workflow_id:
            return
        del self._in_flight[new.workflow_id]
        self._cancel([new.workflow_id], f"{first.workflow_id} does the same work")
        self._adopt(new.work, first, new.tries, submitted)

    def _left_all(self, one: Submitted, work: ClipWork) -> bool:
        """Whether the results of a workflow that ended lie whole in storage: somebody may have deleted them."""
        layout = self._layout_of(one.run_id)
        return one.meaning.succeeded and all(
            self._is_whole(work, stage, layout=layout, work_hash=one.work_hash) for stage in work.stages
        )

    # Watching

    def _look(self) -> dict[str, WatchedWorkflow]:
        """The tasks of all workflows that are on the pool; a stray of work that another one does is canceled."""
        runs = {one.workflow_id: one.layout.run_id for one in self._in_flight.values()}
        watched, strays = look(self._client, runs, started_after=self._nothing_started_before)
        self._nothing_started_before = first_start(watched.values())
        ours = {one.work.work_hash[:WORK_HASH_IN_NAME]: one for one in self._in_flight.values()}
        for workflow_id in strays:
            twin = ours.get(work_hash_in(workflow_id) or "")
            if twin is not None:
                self._cancel([workflow_id], f"{twin.workflow_id} does the same work")
        self._progress.looked_at(watched.values())
        return watched

    def _digest(self, watched: Mapping[str, WatchedWorkflow]) -> bool:
        """Reports what ended; True when something did."""
        changes = [self._digest_one(self._in_flight[workflow_id], one) for workflow_id, one in watched.items()]
        return any(changes)

    def _digest_one(self, flying: InFlight, watched: WatchedWorkflow) -> bool:
        flying.looked_at(watched, self._clock.monotonic())
        if flying.waits_to_settle(watched, self._clock.monotonic()):
            return watched.ended
        new = [stage for stage in flying.left if watched.completed(stage, workers=flying.work.workers(stage))]
        for stage in new:
            flying.completed.add(stage)
            self._progress.ended(stage)
            self._systemic.succeeded()
            self._rhythm.ended(stage, watched.seconds_of(stage))
            usage = self._accounts.usage(flying, stage, watched)
            self._report.stage_completed(
                flying.work, stage, layout=flying.layout, workflow_id=flying.workflow_id, usage=usage
            )
        if not watched.ended and not flying.may_be_lost(self._clock.monotonic()):
            return bool(new)
        failures: tuple[StageFailure, ...] = ()
        if flying.left:
            attempted = [stage for stage in flying.left if stage in flying.stages]
            became = self._waiter.ask(lambda: explain_failures(self._client, flying.workflow_id, attempted))
            if not isinstance(became, Explained):
                flying.found()
                return bool(new)
            failures = became.failures
        del self._in_flight[flying.workflow_id]
        self._submitter.make_room()
        if flying.left:
            self._go_on(flying, failures, watched)
        return True

    def _go_on(self, flying: InFlight, failures: Sequence[StageFailure], watched: WatchedWorkflow) -> None:
        """A workflow ended before its clip's work did: fails what failed for good, takes up the rest."""
        failed: set[Stage] = set()
        for failure in failures:
            if failure.is_systemic:
                self._systemic.failed(failure.message)
        if failures and not worth_another_try(failures, tries=flying.tries):
            for failure in failures:
                self._fail(flying.work, failure, self._accounts.usage(flying, failure.stage, watched))
            failed = {failure.stage for failure in failures}
            for stage in sorted(flying.work.selection.depending_on(failed) - failed):
                self._fail(
                    flying.work,
                    StageFailure(stage, f"not begun: {', '.join(sorted(failed))} failed", blame=Blame.UPSTREAM),
                )
                failed.add(stage)
        elif failures:
            said = f"once more, since {failures[0].message.splitlines()[0]}"
            self._log(Line(flying.work.clip.key, said, workflow=flying.workflow_id))
        self._accounts.is_tried_again(flying, set(flying.left) - failed, watched)
        done = dict.fromkeys(flying.completed, flying.layout)
        left = remaining(without(flying.work, failed), done)
        if left.stages:
            self._take_up([left], tries=flying.tries + bool(failures))

    def _fail_all(self, work: ClipWork, reason: str) -> None:
        """What never came to the pool."""
        for stage in work.stages:
            self._fail(work, StageFailure(stage, reason, blame=Blame.CLUSTER))

    def _fail(self, work: ClipWork, failure: StageFailure, usage: Usage = NOTHING_KNOWN) -> None:
        self._progress.ended(failure.stage)
        self._report.stage_failed(work, failure, usage=usage)

    # Saying and ending

    def _cancel(self, workflow_ids: Iterable[str], message: str) -> None:
        cancel_workflows(self._client, workflow_ids, message=message, log=self._log)

    def _leave_nothing_running(self) -> None:
        """Cancels what this run submitted and nobody else needs, whatever became of POSTs that were under way."""
        if self._company.goes_on():
            self._log("interrupted, though nobody terminated the run: its workflows go on, and its retry adopts them")
            return
        left = self._submitter.finish(_LAST_POSTS_SECONDS)
        works = [one.work for one in self._in_flight.values()]
        works += [pending.work for pending in [*(one.pending for one in left.accepted), *left.unanswered]]
        clips = {work.clip.key: work.clip for work in works}
        needed = self._company.need(list(clips))
        own = {
            one.workflow_id
            for one in self._in_flight.values()
            if one.layout.run_id == self._layout.run_id and one.work.clip.key not in needed
        }
        cancel_run(
            self._client,
            self._layout,
            known=own | {one.workflow_id for one in left.accepted},
            except_clips={clip_hash(clips[key]) for key in needed & clips.keys()},
            unanswered=len(left.unanswered),
            message="the Dagster run was terminated",
            log=self._log,
            clock=self._clock,
        )
