/* One who runs an operation until it is done: attempt.cc, then history.cc (merge: the snapshot is
 * taken before the roll-back). Included by commit.pml. */

/* What an attempt does in one call; before each it may die. */
#define STEP(what) atomic { tell(what); if :: crashes -> crashes--; goto dead :: true fi;
#define END }
#define STILL_MINE (lock_epoch == e)

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
    hold_guarded(NothingLeftBehind, !(were_over & BIT(i)) || instant_of[i] == 0 ||
                 completed[instant_of[i]] == i + 1 && markers[i] == 0 ||
                 files[i] == 0 && markers[i] == 0 && inflight[instant_of[i]] != i + 1 &&
                 (!(requested & BIT(instant_of[i])) || inflight[instant_of[i]]));
    i++
  :: else -> break
  od
}

inline forget() {
  e = 0; t = 0; u = 0; touched = 0; todo = 0; finished = 0; group = 0; tries = 0; last = 0;
  done = 0; seen_inflight = 0; seen_requested = 0; marked = 0; listed = 0; were_over = 0;
  i = 0;
  do
  :: i < GROUPS -> known[i] = 0; i++
  :: else -> break
  od;
  i = 0;
  do
  :: i < ALL -> announced[i] = 0; i++
  :: else -> break
  od
}

proctype Writer(byte me) {
  byte token, a, e, t, u, last, touched, todo, finished, group, tries;
  short done, seen_inflight, seen_requested, marked, listed, were_over;
  byte known[GROUPS];     /* of the groups touched: the attempt + 1 whose file was read */
  byte announced[ALL];    /* files that are to be removed */
  bool is_own_undo, is_done;

  /* Its own operation, or the one that another server runs too. */
  if
  :: token = me
  :: me > 0 -> token = 0
  fi;

again:
  atomic {
    if
    :: made < ATTEMPTS && lease_owner == 0
    :: made < ATTEMPTS && lease_owner && stales && lease_owner != me + 1 &&
       !(held_fast[lease_owner - 1] & LOCKING_NOW) -> stales--
    :: made == ATTEMPTS -> goto finished_all
    fi;
    d_step {
      made++; a = made;
      lease_owner = me + 1; lease_epoch++; e = lease_epoch;
      token_of[a] = token;
      were_over = over;
      held_fast[me] = LOCKING_NOW
    }
  };

  /* attempt.cc, lock_target(). Nothing but the lease says that nobody else writes the object. */
  STEP("asks for the recorded epoch") d_step { if :: lock_epoch + 1 > e -> e = lock_epoch + 1 :: else fi } END;
  STEP("writes the lock object") LOCK_MAY_CHANGE -> d_step { lock_epoch = e; held_fast[me] = 0 } END;

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
  if :: is_done -> goto ended :: else fi END;
#endif

  /* recovery.cc, roll_back_all(): asked once, at its beginning. */
#ifndef NO_ROLL_BACK
  STEP("roll-back: asks the guard")
  if
  :: !STILL_MINE -> goto ended
  :: else -> held_fast[me] = ROLLING_BACK
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
    :: i < ALL -> if :: files[i] -> listed = listed | BIT(i) :: else fi; i++
    :: else -> break
    od
  } END;
  STEP("roll-back: loads the timeline") d_step {
    load_timeline(done, seen_inflight, seen_requested);
    u = 1
  } END;

next_pending:
  /* An inflight file that has gone since is of nobody; an instant with its requested file only is. */
  STEP("roll-back: takes the next pending instant") d_step {
    do
    :: u < INSTANTS && (seen_inflight & BIT(u)) && inflight[u] && inflight[u] != STRANGERS + 1 -> break
    :: u < INSTANTS && (seen_requested & BIT(u)) -> break
    :: u == INSTANTS -> break
    :: else -> u++
    od
  };
  if :: u == INSTANTS -> u = 0; goto all_undone :: else -> is_own_undo = false fi END;
  goto undo_instant;

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
  /* remove_orphans(). All files of an attempt at once, also one that came since the listing: of an
   * attempt that is on no timeline it is as good as listed. */
  STEP("roll-back: orphans go") d_step {
    find_front(done);
    i = 0;
    do
    :: i < ALL ->
      if
      :: (listed & BIT(i)) && !((done | seen_inflight | seen_requested) & BIT(instant_of[i])) &&
         !SHOWS(instant_of[i], done, seen_inflight | seen_requested) -> files[i] = 0
      :: else
      fi;
      i++
    :: else -> break
    od;
    done = 0; seen_inflight = 0; seen_requested = 0; marked = 0; listed = 0;
    held_fast[me] = 0
  } END;
#endif

  /* commit.cc, begin(). */
  STEP("begins: asks the guard")
  d_step { check_nothing_left(); were_over = 0 };
  if :: !STILL_MINE -> goto ended :: else fi END;
next_instant:
  STEP("begins: loads the timeline")
  d_step {
    i = INSTANTS - 1;
    do
    :: i > last && !completed[i] && !inflight[i] && !(requested & BIT(i)) -> i--
    :: i <= last -> break
    :: else -> last = i; break
    od
  };
#ifdef NO_MONOTONIC
  t = 1;  /* now, by a clock that may be behind */
  do :: t <= top -> t++ :: break od
#else
#ifdef GAP_CLOCK
  if :: t = last + 1 :: t = top + 1 fi
#else
  t = top + 1
#endif
#endif
  END;
  STEP("puts requested")
  if
#ifdef NO_EXCLUSIVE_REQUEST
  :: instant_of[a] = t; requested = requested | BIT(t)
#else
#if !defined(GAP_CLOCK) && !defined(NO_MONOTONIC)
  /* Of an instant that was given, and undone, there is nothing to see. That it is not given again
   * is because time has gone on since. */
  :: !(requested & BIT(t)) && t <= top -> goto next_instant
#define IS_FREE (!(requested & BIT(t)) && t > top)
#else
#define IS_FREE (!(requested & BIT(t)))
#endif
  :: requested & BIT(t) -> last = t; goto next_instant
  :: IS_FREE -> instant_of[a] = t; requested = requested | BIT(t)
  :: IS_FREE && doubts ->
    doubts--; last = t;
    if :: requested = requested | BIT(t) :: true fi;
    if :: top < t -> top = t :: else fi;
    goto next_instant
#endif
  fi;
  last = 0;
  if :: top < t -> top = t :: else fi
  END;
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
#ifndef NO_FENCE
  if :: !STILL_MINE -> goto undo :: else fi;
#endif
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
      if :: best != known[g] -> found = 1 :: else fi;
      known[g] = 0; g++
    :: g < GROUPS && !known[g] -> g++
    :: else -> break
    od;
    done = 0; seen_inflight = 0
  };
  if :: found -> found = 0; goto undo :: else fi END;
#endif

publish:
  STEP("puts the completed file")
  if
#ifdef PUT_REPLACES
  :: d_step { appear(a, t); skip }; goto is_published
#else
  :: completed[t] == 0 -> d_step { appear(a, t); skip }; goto is_published
#endif
  :: completed[t]
  /* 412, or no answer. */
  :: doubts -> doubts--; if :: completed[t] == 0 -> d_step { appear(a, t); skip } :: true fi;
#ifdef NO_READ_BACK
    goto is_published
#endif
  /* 409, 503, a full disk: nothing has happened. */
  :: doubts -> doubts--; goto undo
  fi END;
  /* settle_by_reading(). */
  STEP("reads the completed file back")
  if
  :: completed[t] == a + 1 -> goto is_published
#ifdef NO_ATTEMPT_MARK
  :: completed[t] && completed[t] != a + 1 -> goto is_published
#else
  :: completed[t] && completed[t] != a + 1 -> goto undo
#endif
  :: completed[t] == 0 ->
    tries++;
    if
    :: tries < PUT_TRIES -> goto publish
    :: else -> held_fast[me] = 0; goto ended  /* it says that it does not know */
    fi
  fi END;

is_published:
  STEP("has published; markers go")
  held_fast[me] = 0; is_done = true;
  d_step { hold(ReportIsTrue, completed[t] == a + 1); remove_markers(t); skip };
  goto ended END;

  /* ~NativeCommit(): "nothing of it is visible". */
undo:
  STEP("fails; is the completed file there?")
  held_fast[me] = 0;
  hold(ReportIsTrue, completed[t] != a + 1);
  if :: completed[t] -> goto ended :: else fi END;
  STEP("undoes its own: reads inflight")
  if
  :: inflight[t] == a + 1 -> u = t; is_own_undo = true; goto undo_instant
  :: else -> files[a] = files[a] & ~finished
  fi END;
  STEP("undoes its own: markers go") d_step { remove_markers(t); skip }; goto ended END;

  /* recovery.cc, undo_instant(u). */
undo_instant:
  STEP("undo: lists markers") d_step {
    i = 0;
    do
    :: i < ALL && instant_of[i] == u -> announced[i] = markers[i]; i++
    :: i < ALL && instant_of[i] != u -> i++
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
  STEP("undo: removes inflight") inflight[u] = 0 END;
  STEP("undo: removes requested") requested = requested & ~BIT(u) END;
  STEP("undo: markers go")
  d_step { remove_markers(u); skip };
  if
  :: is_own_undo -> is_own_undo = false; goto ended
#ifndef NO_ROLL_BACK
  :: else -> u++; goto next_pending
#endif
  fi END;

dead:
ended:
  tell("ends, or dies");
  d_step {
    /* What one leaves that lost its lease before may take a second roll-back. */
    if :: lease_owner == me + 1 -> lease_owner = 0; over = over | BIT(a) :: else fi;
    held_fast[me] = 0;
    if
    :: !files[a] && !markers[a] && completed[instant_of[a]] != a + 1 &&
       inflight[instant_of[a]] != a + 1 && !(requested & BIT(instant_of[a])) ->
      instant_of[a] = 0; where_[a * 2] = 0; where_[a * 2 + 1] = 0;
      applied[a * 2] = 0; applied[a * 2 + 1] = 0; token_of[a] = 0; over = over & ~BIT(a)
    :: else
    fi;
    a = 0; is_own_undo = false;
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
