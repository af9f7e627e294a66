/* The import map of index.html has a wrong hash for this file. Only a browser that checks no
   hashes loads it. */
export {}
