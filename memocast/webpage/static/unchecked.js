/* The import map of index.html has a wrong hash for this file: only a browser that checks none loads it. */
export {}
