/* One who runs an operation until it is done: attempt.cc, then history.cc with hudi.cc, commit.cc,
 * recovery.cc and decision.cc. Included by commit.pml. A table without a commit gets an empty one
 * (hudi.cc, put_first_commit); that it is there from the start is all that is modelled of it. */

/* What an attempt does in one call; before each it may die. */
#define STEP(what) atomic { tell(what); if :: crashes -> crashes--; goto dead :: true fi;
#define END }
#define STILL_MINE (lock_epoch == e)
/* Whose files an undo removes: of one's own only those of this attempt, by their write token. */
#define IS_TO_GO(x) (instant_of[x] == u && (!is_own_undo || x == a))

#ifdef TRACE
#define tell(what) printf("writer %d, attempt %d, epoch %d, instant %d: ", me, a, e, t); printf(what); printf("\n")
#else
#define tell(what) skip
#endif

/* What is left at the end of a roll-back of those who had died before this writer took the lease. */
/* Where an instant is given twice, its requested file may be another's. */
inline check_nothing_left() {
  i = 0;
  do
  :: i < ALL ->
    hold(NothingLeftBehind, !(were_over & BIT(i)) || instant_of[i] == 0 ||
                 completed[instant_of[i]] == i + 1 && markers[i] == 0 ||
                 files[i] == 0 && markers[i] == 0 && inflight[instant_of[i]] != i + 1 &&
                 (!(requested & BIT(instant_of[i])) || inflight[instant_of[i]] ||
                  requested_by[instant_of[i]] != i + 1));
    i++
  :: else -> break
  od
}

inline forget() {
  e = 0; t = 0; u = 0; touched = 0; todo = 0; finished = 0; group = 0; tries = 0; last = 0;
  done = 0; seen_inflight = 0; seen_requested = 0; undone = 0; marked = 0; were_over = 0;
  i = 0;
  do
  :: i < GROUPS -> known[i] = 0; i++
  :: else -> break
  od;
  i = 0;
  do
  :: i < ALL -> announced[i] = 0; listed[i] = 0; i++
  :: else -> break
  od
}

proctype Writer(byte me) {
  byte token, a, e, t, u, last, touched, todo, finished, group, tries;
  short done, seen_inflight, seen_requested, undone, marked, were_over;
  byte known[GROUPS];     /* of the groups touched: the attempt + 1 whose file was read */
  byte announced[ALL];    /* files that are to be removed */
  byte listed[ALL];       /* files that were there before the timeline was loaded */
  bool is_own_undo, is_done, may_be_decided;

  /* Its own operation, or the one that another server runs too. */
  if
  :: token = me
  :: me > 0 -> token = 0
  fi;

again:
  atomic {
    if
    :: made < ATTEMPTS && lease_owner == 0
    :: made < ATTEMPTS && lease_owner && stales && lease_owner != me + 1 -> stales--
    :: made == ATTEMPTS -> goto finished_all
    fi;
    d_step {
      made++; a = made;
      lease_owner = me + 1; lease_epoch++; e = lease_epoch;
      token_of[a] = token;
      were_over = over
    }
  };

  /* attempt.cc, lock_target(). Nothing but the lease says that nobody else writes the object. */
  STEP("asks for the recorded epoch") d_step { if :: lock_epoch + 1 > e -> e = lock_epoch + 1 :: else fi } END;
  STEP("writes the lock object") lock_epoch = e END;

  /* Whose lease has ended may have written over another's epoch, but goes no further. */
#ifndef NO_RENEWAL
  STEP("renews the lease") if :: lease_owner != me + 1 -> goto ended :: else fi END;
#endif
  /* First its own instant, then the guard, then the roll-back of older ones: who comes later has a
   * newer one, which it does not touch, and an instant is never free again before a newer stands. */
next_instant:
  STEP("begins: loads the timeline")
  d_step {
    i = INSTANTS - 1;
    do
    :: i > last && !completed[i] && !inflight[i] && !(requested & BIT(i)) -> i--
    :: i <= last -> break
    :: else -> last = i; break
    od;
#ifndef NO_FLOOR
    i = INSTANTS - 1;
    do
    :: i > last && !decided[i] -> i--
    :: i <= last -> break
    :: else -> last = i; break
    od
#endif
  };
#ifdef NO_MONOTONIC
  t = 1;  /* now, by a clock that may be behind */
  do :: t <= top -> t++ :: break od
#else
#ifdef STRANGER
  t = top + 1  /* another engine leaves no trace of the instants that it undoes */
#else
  /* The clock stands, or has gone on. */
  if :: t = last + 1 :: t = top + 1 fi
#endif
#endif
  END;
  STEP("puts requested")
  if
  :: requested & BIT(t) -> last = t; goto next_instant
  :: !(requested & BIT(t)) -> instant_of[a] = t; requested = requested | BIT(t); requested_by[t] = a + 1
  :: !(requested & BIT(t)) && doubts ->
    doubts--; last = t;
    if :: requested = requested | BIT(t); requested_by[t] = a + 1 :: true fi;
    if :: top < t -> top = t :: else fi;
    goto next_instant
  fi;
  last = 0;
  if :: top < t -> top = t :: else fi
  END;
  /* recovery.cc, roll_back_all(). */
#ifndef NO_ROLL_BACK
  STEP("asks the guard")
#ifdef NO_ASK
  if
  :: false ->
#else
  if
  :: !STILL_MINE ->
#endif
 if :: inflight[t] == 0 -> requested = requested & ~BIT(t) :: else fi; goto ended
  :: else
  fi END;
  STEP("roll-back: lists the markers") d_step {
    i = 0;
    do
    :: i < ALL -> if :: markers[i] -> marked = marked | BIT(instant_of[i]) :: else fi; i++
    :: else -> break
    od
  } END;
  STEP("roll-back: lists the files") d_step {
    i = 0;
    do
    :: i < ALL -> listed[i] = files[i]; i++
    :: else -> break
    od
  } END;
  STEP("roll-back: loads the timeline") d_step {
    load_timeline(done, seen_inflight, seen_requested);
    u = 1
  } END;

next_pending:
  STEP("roll-back: takes the next pending instant") d_step {
    do
    :: u < INSTANTS && IS_OLDER && (seen_inflight & BIT(u)) && inflight[u] != STRANGERS + 1 -> break
    :: u < INSTANTS && IS_OLDER && (seen_requested & BIT(u)) -> break
    :: u == INSTANTS -> break
    :: else -> u++
    od
  };
  if :: u == INSTANTS -> u = 0; goto all_undone :: else fi END;
#ifdef NO_DECISION
  goto undo_instant;
#endif
  /* Two who would end a commit in two ways meet at one put-if-absent. */
  STEP("decides: undone")
  held_fast[me] = PUBLISHING;
  if
  :: !decided[u] -> decided[u] = UNDONE
#ifdef DECISION_REPLACES
  :: decided[u] -> decided[u] = UNDONE
#else
  :: decided[u] == UNDONE
  :: decided[u] && decided[u] != UNDONE -> goto complete_for_another
#endif
  fi END;
  STEP("decided: is the completed file there?")
  if :: completed[u] -> held_fast[me] = 0; goto tidy_up :: else fi END;
  held_fast[me] = 0;
  goto undo_instant;
complete_for_another:
  STEP("has another engine gone on without it?") d_step {
    i = u + 1;
    do
    :: i < INSTANTS && !completed[i] -> i++
    :: else -> break
    od;
#ifdef COMPLETES_BEHIND
    i = INSTANTS
#endif
  };
  if
  :: (i < INSTANTS || !inflight[u]) && !completed[u] -> decided[u] = UNDONE; held_fast[me] = 0; goto undo_instant
  :: else
  fi END;
  STEP("completes for another")
  if :: !completed[u] -> d_step { appear((decided[u] - 1), u); skip } :: else fi;
  held_fast[me] = 0 END;
tidy_up:
  STEP("completed for another: markers go") d_step { remove_markers(u); skip } END;
  STEP("completed for another: decision goes") decided[u] = 0; u++; goto next_pending END;

all_undone:
  STEP("roll-back: markers of no instant go") d_step {
    i = 0;
    do
    :: i < ALL ->
      if
      :: markers[i] && (marked & BIT(instant_of[i])) &&
         !((seen_inflight | seen_requested) & BIT(instant_of[i])) -> markers[i] = 0
      :: else
      fi;
      i++
    :: else -> break
    od
  } END;
  /* remove_orphans(). Of an attempt that is on no timeline all files at once, also one that came since
   * the listing: it is as good as listed. Of one whose instant was undone here, and whose markers another
   * engine had removed, those that were listed. */
  STEP("roll-back: orphans go") d_step {
    find_front(done);
    i = 0;
    do
    :: i < ALL ->
      if
      :: listed[i] && !((done | (seen_inflight | seen_requested) & ~undone) & BIT(instant_of[i])) &&
         !SHOWS(instant_of[i], done, seen_inflight | seen_requested) ->
        if
        :: undone & BIT(instant_of[i]) -> files[i] = files[i] & ~listed[i]
        :: else -> files[i] = 0
        fi
      :: else
      fi;
      listed[i] = 0;
      i++
    :: else -> break
    od;
    /* decisions of what was completed when the timeline was loaded; listed before */
    i = 1;
    do
    :: i < INSTANTS ->
      if :: decided[i] && (done & BIT(i)) -> decided[i] = 0 :: else fi;
      i++
    :: else -> break
    od;
    check_nothing_left(); were_over = 0;
    done = 0; seen_inflight = 0; seen_requested = 0; undone = 0; marked = 0
  } END;
#else
  d_step { check_nothing_left(); were_over = 0 };
#endif

  /* history.cc, run(): the snapshot, then the token. */
  STEP("loads the timeline") d_step {
    load_timeline(done, seen_inflight, seen_requested);
    seen_inflight = seen_inflight | seen_requested; seen_requested = 0
  } END;
  STEP("lists the files: its snapshot") d_step {
    take_state(a, done, seen_inflight);
    apply_operation(a, token, touched);
    g = 0;
    do
    :: g < GROUPS && (touched & BIT(g)) -> find_live(g, done, seen_inflight); known[g] = best; g++
    :: g < GROUPS && !(touched & BIT(g)) -> g++
    :: else -> break
    od;
    done = 0; seen_inflight = 0
  } END;
#ifndef NO_TOKEN_LOOKUP
  STEP("looks for its token") d_step {
    i = 1; is_done = false;
    do
    :: i < INSTANTS ->
      if :: completed[i] && token_of[completed[i] - 1] == token -> is_done = true :: else fi;
      i++
    :: else -> break
    od
  };
  if :: is_done -> if :: t && inflight[t] == 0 -> requested = requested & ~BIT(t) :: else fi; goto ended :: else fi END;
#endif

  STEP("puts inflight")
  if
  :: inflight[t] == 0 -> inflight[t] = a + 1; goto has_begun
  :: inflight[t] -> goto undo
  :: doubts -> doubts--; if :: inflight[t] == 0 -> inflight[t] = a + 1 :: true fi
  fi END;
  STEP("reads inflight back") if :: inflight[t] != a + 1 -> goto undo :: else fi END;

has_begun:
  todo = touched;
next_group:
  STEP("puts a marker") d_step {
    group = 0;
    do
    :: group < GROUPS && !(todo & BIT(group)) -> group++
    :: else -> break
    od;
#ifndef NO_MARKERS
    markers[a] = markers[a] | BIT(group)
#endif
  } END;
  STEP("puts a data file")
  if
  :: files[a] = files[a] | BIT(group); finished = finished | BIT(group)
  /* A failure, with its effect or without. */
  :: crashes -> crashes--; if :: files[a] = files[a] | BIT(group) :: true fi; goto undo
  fi;
  todo = todo & ~BIT(group); group = 0;
  if :: todo -> goto next_group :: else fi END;

  /* check_not_overtaken(). */
  STEP("last look: the guard")
  if :: !STILL_MINE -> goto undo :: else fi;
  held_fast[me] = PUBLISHING END;
#ifndef NO_INFLIGHT_CHECK
  STEP("last look: inflight") if :: inflight[t] != a + 1 -> goto undo :: else fi END;
#endif
#ifndef NO_OVERTAKE_CHECK
  STEP("last look: the timeline") d_step {
    load_timeline(done, seen_inflight, seen_requested);
    seen_inflight = seen_inflight | seen_requested; seen_requested = 0
  } END;
  STEP("last look: its groups") d_step {
    find_front(done);
    g = 0; found = 0;
    do
    :: g < GROUPS && known[g] ->
      find_live(g, done, seen_inflight);
      if :: best != known[g] || best && instant_of[best - 1] > t -> found = 1 :: else fi;
      known[g] = 0; g++
    :: g < GROUPS && !known[g] -> g++
    :: else -> break
    od;
    done = 0; seen_inflight = 0
  };
  if :: found -> found = 0; goto undo :: else fi END;
#endif

#ifdef NO_DECISION
  goto publish;
#endif
  tries = 0;
decide:
  STEP("decides: completed")
  may_be_decided = true;
  if
  :: !decided[t] -> decided[t] = a + 1; goto publish
#ifdef DECISION_REPLACES
  :: decided[t] -> decided[t] = a + 1; goto publish
#else
  :: decided[t] -> goto undo
#endif
  :: doubts -> doubts--; if :: !decided[t] -> decided[t] = a + 1 :: true fi
  fi END;
  STEP("reads the decision")
  if
  :: decided[t] == a + 1 -> goto publish
  :: !decided[t] -> tries++; if :: tries < PUT_TRIES -> goto decide :: else -> goto undo fi
  :: else -> goto undo
  fi END;

publish:
  tries = 0;
publish_again:
  STEP("puts the completed file")
  if
  :: completed[t] == 0 -> d_step { appear(a, t); skip }; goto is_published
  :: completed[t]
  /* 412, or no answer. */
  :: doubts -> doubts--; if :: completed[t] == 0 -> d_step { appear(a, t); skip } :: true fi;
#ifdef NO_READ_BACK
    goto is_published
#endif
  fi END;
  /* settle_by_reading(). */
  STEP("reads the completed file back")
  if
  :: completed[t] == a + 1 -> goto is_published
  :: completed[t] && completed[t] != a + 1 -> goto undo
  :: completed[t] == 0 ->
    tries++;
    if
    :: tries < PUT_TRIES -> goto publish_again
    :: else -> held_fast[me] = 0; goto ended  /* it says that it does not know */
    fi
  fi END;

is_published:
  STEP("has published; markers go")
  held_fast[me] = 0; is_done = true;
  d_step { hold(ReportIsTrue, completed[t] == a + 1); remove_markers(t); skip } END;
  STEP("has published; the decision goes") decided[t] = 0; goto ended END;

  /* ~NativeCommit(): "nothing of it is visible". */
undo:
  STEP("fails; is the completed file there?")
  held_fast[me] = 0;
  hold(ReportIsTrue, completed[t] != a + 1);
  if :: completed[t] -> goto ended :: else fi END;
  if
  :: t == 0 -> goto ended
  :: else
  fi;
#ifndef NO_DECISION
  STEP("undoes its own: decides, where it may have been decided")
  if
  :: may_be_decided && !decided[t] -> decided[t] = UNDONE
  :: may_be_decided && decided[t] && decided[t] != UNDONE -> goto ended  /* by an answer that was lost */
  :: else
  fi END;
#endif
  STEP("undoes its own: reads inflight")
  if
  :: inflight[t] == a + 1 -> u = t; is_own_undo = true; goto undo_instant
  :: else
  fi END;
  STEP("undoes its own: others did, but for late files")
  files[a] = files[a] & ~finished;
  goto ended END;

  /* recovery.cc, undo_instant(u). */
undo_instant:
  STEP("undo: lists markers") d_step {
    i = 0;
    do
    :: i < ALL && IS_TO_GO(i) -> announced[i] = markers[i]; i++
    :: i < ALL && !IS_TO_GO(i) -> i++
    :: else -> break
    od
  } END;
remove_file:
  STEP("undo: removes a file") d_step {
    i = 0;
    do
    :: i < ALL && !announced[i] -> i++
    :: else -> break
    od;
    group = 0;
    do
    :: i < ALL && !(announced[i] & BIT(group)) -> group++
    :: else -> break
    od;
    if
    :: i < ALL ->
      announced[i] = announced[i] & ~BIT(group);
      files[i] = files[i] & ~BIT(group);
      group = NOWHERE
    :: else
    fi
  };
  if :: group == NOWHERE -> group = 0; goto remove_file :: else -> group = 0 fi END;
  STEP("undo: markers go")
  if
  :: is_own_undo -> d_step { i = a; if :: IS_TO_GO(a) -> markers[a] = 0 :: else fi }
  :: else -> d_step { remove_markers(u); skip }
  fi END;
  STEP("undo: removes inflight") inflight[u] = 0 END;
  STEP("undo: removes requested") requested = requested & ~BIT(u);
  if
  :: is_own_undo -> is_own_undo = false; goto ended
#ifdef NO_ROLL_BACK
  :: else
#else
  :: else ->
#ifndef FORGETS_UNDONE
    undone = undone | BIT(u);
#endif
    u++; goto next_pending
#endif
  fi END;

dead:
ended:
  tell("ends, or dies");
  d_step {
    if :: lease_owner == me + 1 -> lease_owner = 0; over = over | BIT(a) :: else fi;
    held_fast[me] = 0;
    if
    :: !files[a] && !markers[a] && completed[instant_of[a]] != a + 1 &&
       inflight[instant_of[a]] != a + 1 && !(requested & BIT(instant_of[a])) ->
      instant_of[a] = 0; where_[a * 2] = 0; where_[a * 2 + 1] = 0;
      applied[a * 2] = 0; applied[a * 2 + 1] = 0; token_of[a] = 0; over = over & ~BIT(a)
    :: else
    fi;
    a = 0; is_own_undo = false; may_be_decided = false;
    forget()
  };
  if
  :: is_done -> goto finished_all
  :: else -> goto again
  fi;
finished_all:
  skip;
  d_step { token = 0; is_done = false }
}
