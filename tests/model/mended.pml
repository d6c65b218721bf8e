/* A proposal, not the code: the writer of writer.pml, mended so that no gap is left. Included by
 * commit.pml with -DMENDED. What differs:
 *  - the lease is renewed after the lock object is written: who has lost it goes no further;
 *  - the own instant is requested first, then the guard is asked, and only older instants are undone;
 *  - the snapshot and the look for the token come after the roll-back;
 *  - a commit is ended by one put-if-absent of a decision that holds its metadata: completed or undone.
 *    Who finds it completed puts the completed file, whoever made the commit;
 *  - an own undo leaves the requested file to the next writer, and others' markers alone;
 *  - a table is made with a commit that has no file. */

/* What an attempt does in one call; before each it may die. */
#define STEP(what) atomic { tell(what); if :: crashes -> crashes--; goto dead :: true fi;
#define END }
#define STILL_MINE (lock_epoch == e)

#ifdef TRACE
#define tell(what) printf("writer %d, attempt %d, epoch %d, instant %d: ", me, a, e, t); printf(what); printf("\n")
#else
#define tell(what) skip
#endif

inline forget() {
  e = 0; t = 0; u = 0; touched = 0; todo = 0; finished = 0; group = 0; tries = 0; last = 0;
  done = 0; seen_inflight = 0; seen_requested = 0; marked = 0; listed = 0;
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
  short done, seen_inflight, seen_requested, marked, listed;
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
      held_fast[me] = LOCKING_NOW
    }
  };

  /* attempt.cc, lock_target(). Nothing but the lease says that nobody else writes the object. */
  STEP("asks for the recorded epoch") d_step { if :: lock_epoch + 1 > e -> e = lock_epoch + 1 :: else fi } END;
  STEP("writes the lock object") LOCK_MAY_CHANGE -> d_step { lock_epoch = e; held_fast[me] = 0 } END;

  /* Whose lease has ended may have written over another's epoch, but goes no further. */
  STEP("renews the lease") if :: lease_owner != me + 1 -> goto ended :: else fi END;
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
    od
  };
  if :: t = last + 1 :: t = top + 1 fi
  END;
  STEP("puts requested")
  if
  :: requested & BIT(t) -> last = t; goto next_instant
  :: !(requested & BIT(t)) -> instant_of[a] = t; requested = requested | BIT(t)
  :: !(requested & BIT(t)) && doubts ->
    doubts--; last = t;
    if :: requested = requested | BIT(t) :: true fi;
    if :: top < t -> top = t :: else fi;
    goto next_instant
  fi;
  last = 0;
  if :: top < t -> top = t :: else fi
  END;
  /* recovery.cc, roll_back_all(). */
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
  /* Of an instant that had its requested file only, no more than that goes: its writer, if it lives,
   * will not pass its last look. */
  STEP("roll-back: takes the next pending instant") d_step {
    do
    :: u < INSTANTS && u < t && (seen_inflight & BIT(u)) && inflight[u] && inflight[u] != STRANGERS + 1 -> break
    :: u < t && (seen_requested & BIT(u)) -> break
    :: u == t -> break
    :: else -> u++
    od
  };
  if
  :: u == t -> u = 0; goto all_undone
  :: u < t && (seen_requested & BIT(u)) -> requested = requested & ~BIT(u); u++; goto next_pending
  :: else
  fi END;
  /* Two who would end a commit in two ways meet at one put-if-absent. */
  STEP("decides: undone")
  if
  :: !decided[u] -> decided[u] = UNDONE; goto undo_instant
  :: decided[u] == UNDONE -> goto undo_instant
  :: else
  fi END;
  STEP("completes for another")
  if :: !completed[u] -> d_step { appear((decided[u] - 1), u); skip } :: else fi END;
  STEP("completed for another: markers go") d_step { remove_markers(u); skip }; u++; goto next_pending END;

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
    markers[a] = markers[a] | BIT(group)
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
  STEP("last look: inflight") if :: inflight[t] != a + 1 -> goto undo :: else fi END;
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

  tries = 0;
decide:
  STEP("decides: completed")
  if
  :: !decided[t] -> decided[t] = a + 1; goto publish
  :: decided[t] -> goto undo
  :: doubts -> doubts--; if :: !decided[t] -> decided[t] = a + 1 :: true fi
  fi END;
  STEP("reads the decision")
  if
  :: decided[t] == a + 1 -> goto publish
  :: !decided[t] -> goto decide
  :: else -> goto undo
  fi END;

publish:
  STEP("puts the completed file")
  if
  :: completed[t] == 0 -> d_step { appear(a, t); skip }; goto is_published
  :: completed[t]
  /* 412, or no answer. */
  :: doubts -> doubts--; if :: completed[t] == 0 -> d_step { appear(a, t); skip } :: true fi;
  /* 409, 503, a full disk: nothing has happened. */
  :: doubts -> doubts--; goto ended  /* the next writer completes it */
  fi END;
  /* settle_by_reading(). */
  STEP("reads the completed file back")
  if
  :: completed[t] == a + 1 -> goto is_published
  :: completed[t] && completed[t] != a + 1 -> goto undo
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
  if
  :: t == 0 -> goto ended
  :: else
  fi;
  STEP("undoes its own: decides")
  if :: !decided[t] -> decided[t] = UNDONE :: decided[t] == UNDONE :: else -> goto ended fi END;
  STEP("undoes its own: reads inflight")
  if
  :: inflight[t] == a + 1 -> u = t; is_own_undo = true; goto undo_instant
  :: else -> files[a] = files[a] & ~finished; goto ended  /* the markers may be another's */
  fi END;

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
  /* One's own stays: it keeps the instant from being given again. */
  STEP("undo: removes requested") if :: is_own_undo :: else -> requested = requested & ~BIT(u) fi END;
  STEP("undo: markers go")
  d_step { remove_markers(u); skip };
  if
  :: is_own_undo -> is_own_undo = false; goto ended
  :: else -> u++; goto next_pending
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
